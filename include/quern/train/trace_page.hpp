/// Needs nlohmann-json. A traced step as one HTML page that needs nothing else: the graph of the ops, and op by op,
/// forward and backward, formula, values and gradients.
///
///   Trace trace;
///   tape.observe(&trace);                                       // before tape.watch; then the pass
///   write_trace_page("step.html", trace, {.title = "step 1"});  // open it in a browser
///
/// A tensor stands there by its minimum, maximum, mean, norm and first elements, and of a very long pass only the
/// first ops, so the page of any model opens: about 1 KB an op.
#pragma once
#include <cmath>
#include <string>

#include <nlohmann/json.hpp>

#include <quern/autograd/trace.hpp>
#include <quern/base/file.hpp>
#include <quern/train/formulas.hpp>
#include <quern/train/trace_page_html.hpp>

namespace quern::inline QUERN_ABI {

struct TracePageOptions {
  std::string title = "A training step", note{};  // text, not HTML
  std::size_t most_ops = 4000;
};

namespace detail {
inline nlohmann::json json_of_number(double x) {
  if (std::isfinite(x)) return double(float(x));  // float: seven digits are enough to look at
  return std::isnan(x) ? "nan" : x > 0 ? "inf" : "-inf";
}

inline nlohmann::json json_of(const Summary& s) {
  if (s.size == 0) return nullptr;
  nlohmann::json numbers = nlohmann::json::array();
  for (const double x : {s.min, s.max, s.mean, s.norm}) numbers.push_back(json_of_number(x));
  numbers.push_back(s.not_finite);
  for (const double x : s.first) numbers.push_back(json_of_number(x));
  return numbers;
}

inline nlohmann::json json_of(const Trace& trace, const TracePageOptions& options) {
  const std::size_t count = std::min(trace.ops().size(), options.most_ops);
  nlohmann::json page = {{"title", options.title}, {"note", options.note}, {"cut", trace.ops().size() - count}};
  page["formulas"] = nlohmann::json::object(), page["ops"] = page["values"] = nlohmann::json::array();
  for (std::size_t k = 0; k < count; ++k) {
    const TraceOp& op = trace.ops()[k];
    nlohmann::json gradients = nlohmann::json::array();
    for (const auto& g : op.input_gradients) gradients.push_back(json_of(g));
    page["ops"].push_back({{"n", op.name},
                           {"l", op.layer},
                           {"f", op.label},
                           {"w", op.walked},
                           {"i", op.inputs},
                           {"o", op.output},
                           {"g", json_of(op.gradient)},
                           {"d", std::move(gradients)}});
    page["formulas"][op.name] = formula_of(op.name);
  }
  for (const TraceValue& v : trace.values()) {
    if (v.op >= int(count)) break;  // ops left out use only values up to here or their own
    page["values"].push_back({{"n", v.name},
                              {"k", std::string(1, "pcr"[v.kind])},
                              {"t", v.at.tensor.type->name},
                              {"s", v.at.tensor.shape},
                              {"op", v.op},
                              {"v", json_of(v.summary)}});
  }
  return page;
}
}  // namespace detail

/// The page. Nothing in names, title or note can end the script that it stands in.
inline std::string trace_page(const Trace& trace, const TracePageOptions& options = {}) {
  require(!trace.ops().empty(), "trace_page: nothing was traced; call tape.observe(&trace) before tape.watch");
  const std::string json =
      detail::json_of(trace, options).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string page = detail::trace_page_html;
  for (const char c : json) c == '<' ? page += "\\u003c" : page += c;
  return page + detail::trace_page_html_end;
}

inline void write_trace_page(const std::string& path, const Trace& trace, const TracePageOptions& options = {}) {
  atomic_write(path, trace_page(trace, options));
}

}  // namespace quern::inline QUERN_ABI
