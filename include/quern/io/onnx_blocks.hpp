/// Needs protozero. What ONNX graphs of models are put together from: modules as nodes, and masks. ONNX has no packed
/// texts: rows of a batch are padded at their end to one length, and a mask tells tokens (1) from padding (0).
///
///   const OnnxText text = onnx_text(g);                         // inputs input_ids and attention_mask, [B, L] each
///   auto e = onnx_embedding(g, "words", text.ids, model.words); // [B, L, E]
///   auto y = onnx_linear(g, "out", e, model.out);               // [B, L, C]
///
/// Every graph masks, so that padding changes no logit.
#pragma once
#include <string>

#include <quern/io/onnx_graph.hpp>
#include <quern/nn/embedding.hpp>
#include <quern/nn/layer_norm.hpp>
#include <quern/nn/linear.hpp>

namespace quern::inline QUERN_ABI {

/// The inputs of a text model, under the names that Hugging Face's exports have.
struct OnnxText {
  std::string ids;   // int64 [B, L]
  std::string mask;  // float32 [B, L]: 1 for a token, 0 for padding
};

inline OnnxText onnx_text(OnnxGraph& g) {
  const std::string ids = g.input("input_ids", OnnxType::int64, {"batch_size", "sequence_length"});
  const std::string mask = g.input("attention_mask", OnnxType::int64, {"batch_size", "sequence_length"});
  return {ids, g.node("mask", "Cast", {mask}, {{"to", std::int64_t(OnnxType::float32)}})};
}

/// A mask [B, L] as [B, L, 1], to be multiplied with rows [B, L, C].
inline std::string onnx_mask_of_rows(OnnxGraph& g, const std::string& mask) {
  return g.node("mask", "Unsqueeze", {mask, g.ints({2})});
}

/// ids [B, L] → [B, L, E]
inline std::string onnx_embedding(OnnxGraph& g, const std::string& path, const std::string& ids,
                                  const nn::Embedding<float>& m) {
  return g.node(path, "Gather", {g.weight(path + ".weight", m.weight), ids});
}

/// A matrix [out, in] as [in, out], the form in which MatMul takes it.
inline std::string onnx_transposed(OnnxGraph& g, const std::string& name, const Tensor<float, 2>& w) {
  return g.weight(name, {w.extent(1), w.extent(0)}, [memory = w.storage(), shape = w.shape()] {
    const auto from = Tensor<float, 2>::adopt(OnnxGraph::on_host(memory), shape);
    auto to = Tensor<float, 2>::empty({shape[1], shape[0]});
    for (std::int64_t i = 0; i < to.extent(0); ++i)
      for (std::int64_t j = 0; j < to.extent(1); ++j) to(i, j) = from(j, i);
    return to.storage();
  });
}

/// x [..., in] → x Wᵀ + b [..., out]. The file holds Wᵀ, called "….weight_transposed".
inline std::string onnx_linear(OnnxGraph& g, const std::string& path, const std::string& x,
                               const nn::Linear<float>& m) {
  const std::string y = g.node(path, "MatMul", {x, onnx_transposed(g, path + ".weight_transposed", m.weight)});
  return m.bias.size() ? g.node(path, "Add", {y, g.weight(path + ".bias", m.bias)}) : y;
}

/// x [..., C] → [..., C]
inline std::string onnx_layer_norm(OnnxGraph& g, const std::string& path, const std::string& x,
                                   const nn::LayerNorm<float>& m) {
  return g.node(path, "LayerNormalization", {x, g.weight(path + ".weight", m.weight), g.weight(path + ".bias", m.bias)},
                {{"axis", -1}, {"epsilon", float(m.eps)}});
}

/// x/2 (1 + erf(x / √2)), written so that runtimes know it again and use one loop.
inline std::string onnx_gelu(OnnxGraph& g, const std::string& path, const std::string& x) {
  const auto erf = g.node(path, "Erf", {g.node(path, "Div", {x, g.number(1.41421356f)})});
  const auto twice = g.node(path, "Mul", {x, g.node(path, "Add", {erf, g.number(1)})});
  return g.node(path, "Mul", {twice, g.number(0.5f)});
}

/// Rows x [B, L, C] → the mean over each text's tokens [B, C].
inline std::string onnx_mean_over_time(OnnxGraph& g, const std::string& path, const std::string& x,
                                       const std::string& mask) {
  const auto rows = g.node(path, "Mul", {x, onnx_mask_of_rows(g, mask)});
  const auto sum = g.node(path, "ReduceSum", {rows, g.ints({1})}, {{"keepdims", 0}});
  return g.node(path, "Div", {sum, g.node(path, "ReduceSum", {mask, g.ints({1})}, {{"keepdims", 1}})});
}

/// Rows x [B, L, C] → the maximum over each text's tokens [B, C]: 1e30 is taken from what padding gives.
inline std::string onnx_max_over_time(OnnxGraph& g, const std::string& path, const std::string& x,
                                      const std::string& mask) {
  const auto padding = g.node(path, "Sub", {onnx_mask_of_rows(g, mask), g.number(1)});  // -1 or 0
  const auto rows = g.node(path, "Add", {x, g.node(path, "Mul", {padding, g.number(1e30f)})});
  return g.node(path, "ReduceMax", {rows}, {{"axes", OnnxInts{1}}, {"keepdims", 0}});
}

}  // namespace quern::inline QUERN_ABI
