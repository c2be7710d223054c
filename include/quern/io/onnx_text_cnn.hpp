/// Needs protozero. The text CNN as an ONNX graph. Its windows go beyond a text's ends by width-1 tokens, which are
/// zeros: padding is set to zero before the convolution, and windows that lie in padding alone are set to zero after
/// relu, where zero can be no maximum that a window of the text does not reach as well.
///
///   OnnxGraph g = onnx_graph(model);     // input_ids, attention_mask [B, L] → logits [B, classes]
#pragma once
#include <string>
#include <vector>

#include <quern/io/onnx_blocks.hpp>
#include <quern/models/text_cnn.hpp>

namespace quern::inline QUERN_ABI {

namespace detail {
/// e [B, E, L], its mask [B, L] → max over time of relu(conv(e)) [B, F]
inline std::string onnx_windows(OnnxGraph& g, const std::string& path, const std::string& e, const std::string& mask,
                                const nn::Conv1d<float>& m) {
  const std::int64_t before = m.weight.extent(2) - 1;  // tokens of a window before a text's first, or after its last
  std::vector<std::string> inputs = {e, g.weight(path + ".weight", m.weight)};
  if (m.bias.size()) inputs.push_back(g.weight(path + ".bias", m.bias));
  const auto y = g.node(path, "Relu", {g.node(path, "Conv", inputs, {{"pads", OnnxInts{before, before}}})});
  // Window t ends at token t - before: [B, L + before], of a text of T tokens the first T + before are its own.
  const auto own = g.node(path, "Pad", {mask, g.ints({0, before, 0, 0}), g.number(1)});
  const auto masked = g.node(path, "Mul", {y, g.node(path, "Unsqueeze", {own, g.ints({1})})});
  return g.node(path, "ReduceMax", {masked}, {{"axes", OnnxInts{2}}, {"keepdims", 0}});
}
}  // namespace detail

inline OnnxGraph onnx_graph(const TextCnn<float>& model) {
  OnnxGraph g("text_cnn");
  const OnnxText text = onnx_text(g);
  const auto words = onnx_embedding(g, "words", text.ids, model.words);  // [B, L, E]
  const auto rows = g.node("words", "Mul", {words, onnx_mask_of_rows(g, text.mask)});
  const auto e = g.node("words", "Transpose", {rows}, {{"perm", OnnxInts{0, 2, 1}}});  // [B, E, L]
  std::vector<std::string> features;
  for (std::size_t i = 0; i < model.windows.size(); ++i)
    features.push_back(detail::onnx_windows(g, text_of("windows.", i), e, text.mask, model.windows[i]));
  const auto h = g.node("windows", "Concat", features, {{"axis", 1}});  // [B, Σ F]
  const auto logits = onnx_linear(g, "out", h, model.out);
  g.output("logits", logits, OnnxType::float32, {"batch_size", model.out.weight.extent(0)});
  return g;
}

}  // namespace quern::inline QUERN_ABI
