/// Needs protozero and nlohmann-json. Writes the ONNX file of a model for which there is a function onnx_graph: one of
/// Quern's (io/onnx.hpp has them all), or one of your own beside your model.
///
///   save_onnx(model, "model.onnx", {"negative", "positive"});
#pragma once
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <quern/base/file.hpp>
#include <quern/io/onnx_graph.hpp>

namespace quern::inline QUERN_ABI {

namespace detail {
inline void save_onnx(OnnxGraph g, const std::string& path, std::span<const std::string> labels) {
  require(labels.empty() || std::int64_t(labels.size()) == g.last_extent(), "save_onnx: ", labels.size(),
          " labels, but the model has ", g.last_extent(), " classes");
  nlohmann::ordered_json names;
  for (std::size_t i = 0; i < labels.size(); ++i) names[std::to_string(i)] = labels[i];
  if (!labels.empty()) g.note("id2label", names.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  atomic_write(path, g.bytes());
}
}  // namespace detail

/// Writes a model; a reader meets the old file or the new one. `labels`, the names of the classes, become the note
/// "id2label", JSON as in Hugging Face's config.json. Of a model over another type: save_onnx(cast<float>(model), …).
/// Throws InvalidArgument where the labels do not fit the model, Error where the weights have 2 GiB or more, or where
/// the file cannot be written. Memory: once the size of the file beside the model's.
template <class M>
void save_onnx(const M& model, const std::string& path, const std::vector<std::string>& labels = {}) {
  detail::save_onnx(onnx_graph(model), path, labels);
}

}  // namespace quern::inline QUERN_ABI
