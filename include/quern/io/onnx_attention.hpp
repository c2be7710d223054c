/// Needs protozero. Attention of several heads as ONNX nodes, in the form in which runtimes know it again and fuse it.
///
///   const auto keys = onnx_hidden_keys(g, text.mask);                // [B, 1, 1, L]: 0, or -1e30 for padding
///   auto y = onnx_attention(g, "attend", x, keys, model.attend);     // [B, L, C] → [B, L, C]
///   y = onnx_linear(g, "attend.out", y, model.attend.out);
#pragma once
#include <cmath>
#include <string>

#include <quern/io/onnx_blocks.hpp>
#include <quern/nn/multi_head_attention.hpp>

namespace quern::inline QUERN_ABI {

/// What is added to the scores of every query: -1e30 takes a key out, as e^-1e30 is 0.
inline std::string onnx_hidden_keys(OnnxGraph& g, const std::string& mask) {
  const auto keys = g.node("mask", "Unsqueeze", {mask, g.ints({1, 2})});
  return g.node("mask", "Mul", {g.node("mask", "Sub", {keys, g.number(1)}), g.number(1e30f)});
}

namespace detail {
/// -1e30 for every key behind its query, [L, L], for rows x [B, L, C].
inline std::string onnx_later_keys(OnnxGraph& g, const std::string& path, const std::string& x) {
  const auto length = g.node(path, "Gather", {g.node(path, "Shape", {x}), g.ints({1})});
  const auto square = g.node(path, "Concat", {length, length}, {{"axis", 0}});
  const auto all = g.node(path, "Expand", {g.number(-1e30f), square});
  return g.node(path, "Trilu", {all, g.integer(1)}, {{"upper", 1}});  // 1: from above the diagonal on
}
}  // namespace detail

/// Rows x [B, L, C] → softmax(q kᵀ / √D + hidden) v of each of C/D heads [B, L, C], not yet projected by m.out.
/// `hidden`: onnx_hidden_keys.
inline std::string onnx_attention(OnnxGraph& g, const std::string& path, const std::string& x, std::string hidden,
                                  const nn::MultiHeadAttention<float>& m) {
  const std::int64_t columns = m.query.weight.extent(0), head = columns / m.heads;
  const auto projected = [&](const char* name, const nn::Linear<float>& linear, OnnxInts perm) {
    const auto y = onnx_linear(g, path + name, x, linear);
    const auto by_head = g.node(path, "Reshape", {y, g.ints({0, 0, m.heads, head})});  // 0: the extent that is there
    return g.node(path, "Transpose", {by_head}, {{"perm", std::move(perm)}});
  };
  const auto q = projected(".query", m.query, {0, 2, 1, 3}), k = projected(".key", m.key, {0, 2, 3, 1});
  const auto v = projected(".value", m.value, {0, 2, 1, 3});
  const auto scaled = g.node(path, "Div", {g.node(path, "MatMul", {q, k}), g.number(std::sqrt(float(head)))});
  if (m.causal) hidden = g.node(path, "Add", {hidden, detail::onnx_later_keys(g, path, x)});
  const auto p = g.node(path, "Softmax", {g.node(path, "Add", {scaled, hidden})}, {{"axis", -1}});  // [B, H, L, L]
  const auto y = g.node(path, "MatMul", {p, v});
  const auto by_text = g.node(path, "Transpose", {y}, {{"perm", OnnxInts{0, 2, 1, 3}}});
  return g.node(path, "Reshape", {by_text, g.ints({0, 0, columns})});
}

}  // namespace quern::inline QUERN_ABI
