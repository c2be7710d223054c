/// gradcheck: does the tape's gradient agree with central differences? It names the weight that is wrong, and by how
/// much.
///
///   auto report = gradcheck(cast<double>(model), [&](const auto& m) { return cross_entropy(m(batch), labels); });
///   check(report.ok(), report.text());
///
/// For every parameter the whole gradient is compared norm-wise, |analytic - numeric| / max(|numeric|, |analytic|,
/// floor): an element-wise ratio would ask for digits where a gradient is zero by cancellation. Use double, and keep
/// the model away from kinks (relu at 0) and ties (two equal maxima): there the difference quotient is not the
/// derivative.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include <quern/autograd/tape.hpp>

namespace quern::inline QUERN_ABI {

struct GradcheckOptions {
  double step = 1e-6;                 // of the central difference, times max(1, |w|)
  double tolerance = 1e-6;            // of the norm-wise error
  double floor = 1e-6;                // gradients are compared as if their norm were at least this
  std::int64_t most = 0;              // elements tried in one parameter, evenly spread; 0: all
  Random random{1};                   // the stream given to the tapes
  bool random_changes_value = false;  // the loss draws random numbers: the plain model's value differs
  bool all_may_vanish = false;        // accept a parameter whose true gradient is zero everywhere
};

/// What was found for one parameter.
struct GradcheckParameter {
  std::string name;
  double error = 0;                   // norm-wise
  std::int64_t tried = 0, worst = 0;  // elements, and the index of the one that differs most
  double analytic = 0, numeric = 0;   // there
  bool reached = true;                // the tape brought a gradient
  bool vanishes = false;              // both gradients are zero everywhere: nothing was tested
  bool ok = true;
};

struct GradcheckReport {
  std::vector<GradcheckParameter> parameters;
  bool value_agrees = true;  // recorded and plain model gave the same bits

  bool ok() const {
    bool all = value_agrees && !parameters.empty();
    for (const auto& p : parameters) all = all && p.ok;
    return all;
  }
  double largest_error() const {
    double e = 0;
    for (const auto& p : parameters) {
      if (std::isnan(p.error)) return p.error;
      e = std::max(e, p.error);
    }
    return e;
  }
  /// A line for each parameter that is wrong.
  std::string text() const {
    std::string out = parameters.empty() ? "gradcheck: the model has no parameters\n" : "";
    if (!value_agrees) out += "gradcheck: the recorded model computes another value than the plain one\n";
    for (const auto& p : parameters) {
      if (p.ok) continue;
      if (!p.reached) {
        out += text_of("gradcheck: ", p.name, ": no gradient reached it\n");
      } else if (p.vanishes) {
        out += text_of("gradcheck: ", p.name, ": its gradient is zero everywhere, so nothing was tested\n");
      } else {
        out += text_of("gradcheck: ", p.name, ": relative error ", p.error, "; element ", p.worst, ": analytic ",
                       p.analytic, ", numeric ", p.numeric, "\n");
      }
    }
    return out;
  }
};

namespace detail {
/// The central difference of `loss` for one element.
template <class T>
double central_difference(T& x, double step, auto&& loss) {
  const T before = x;
  const double h = step * std::max(1.0, std::abs(double(before)));
  x = T(double(before) + h);
  const double above = loss(), width_above = double(x);
  x = T(double(before) - h);
  const double below = loss(), width = width_above - double(x);
  x = before;
  return (above - below) / width;
}

template <class T, int Rank>
void compare_gradients(GradcheckParameter& p, Tensor<T, Rank>& w, const Tensor<T, Rank>& gradient,
                       const GradcheckOptions& options, auto&& loss) {
  const std::int64_t stride = options.most > 0 ? std::max<std::int64_t>(1, w.size() / options.most) : 1;
  double difference = 0, numeric_norm = 0, analytic_norm = 0, largest = -1;
  for (std::int64_t i = 0; i < w.size(); i += stride, ++p.tried) {
    const double numeric = central_difference(w.data()[i], options.step, loss);
    const double analytic = double(gradient.data()[i]), d = std::abs(numeric - analytic);
    difference += d * d, numeric_norm += numeric * numeric, analytic_norm += analytic * analytic;
    if (d > largest || std::isnan(d)) largest = d, p.worst = i, p.analytic = analytic, p.numeric = numeric;
  }
  p.vanishes = numeric_norm == 0 && analytic_norm == 0;
  p.error = std::sqrt(difference) / std::max({std::sqrt(numeric_norm), std::sqrt(analytic_norm), options.floor});
  p.ok = p.error <= options.tolerance && (!p.vanishes || options.all_may_vanish);  // a NaN error is not ok
}
}  // namespace detail

/// Checks every parameter of `model` for `loss(m)`, a scalar of the plain or the recorded model m.
template <template <class> class M, class T, class Loss>
GradcheckReport gradcheck(M<T> model, Loss&& loss, const GradcheckOptions& options = {}) {
  GradcheckReport report;
  auto grads = zeros_like(model);
  std::vector<std::string> missing;
  T value;
  {
    Tape tape(options.random);
    const auto recorded = tape.watch(model, grads);
    const auto result = loss(recorded);
    value = result.item();
    tape.backward(result);
    missing = tape.without_gradient();
  }
  auto scratch = zeros_like(model);
  auto evaluate = [&] {  // on a tape, so that dropout draws the same mask
    Tape tape(options.random);
    return double(loss(tape.watch(model, scratch)).item());
  };
  const bool draws = options.random_changes_value;
  report.value_agrees =
      double(value) == evaluate() && (draws || double(loss(std::as_const(model)).item()) == double(value));
  walk_tensors(
      [&](const Path& path, auto& w, auto& g) {
        if (w.size() == 0) return;
        GradcheckParameter p;
        p.name = path.text();
        for (const auto& m : missing) p.reached = p.reached && m != p.name;
        if (p.reached) {
          detail::compare_gradients(p, w, g, options, evaluate);
        } else {
          p.ok = false;
        }
        report.parameters.push_back(p);
      },
      model, grads);
  return report;
}

}  // namespace quern::inline QUERN_ABI
