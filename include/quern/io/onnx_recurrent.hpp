/// Needs protozero. The classifiers with LSTM and GRU layers as ONNX graphs. ONNX's own nodes take the lengths of a
/// batch's texts: what stands behind a text's end reaches no state, in either direction.
///
///   OnnxGraph g = onnx_graph(model);     // input_ids, attention_mask [B, L] → logits [B, classes]
///
/// PyTorch and Quern stack the gates of an LSTM as input, forget, cell, output and those of a GRU as reset, update,
/// new; ONNX as input, output, forget, cell and as update, reset, new. With linear_before_reset = 1 ONNX's GRU is the
/// one of PyTorch and cuDNN: n = tanh(W x + b + r (R h + c)).
#pragma once
#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <quern/io/onnx_blocks.hpp>
#include <quern/models/gru_classifier.hpp>
#include <quern/models/lstm_classifier.hpp>

namespace quern::inline QUERN_ABI {

namespace detail {
/// A weight of the shape `dims`: stacks of gates, one after the other, the gates of each in the given order.
inline std::string onnx_gates(OnnxGraph& g, const std::string& name, const OnnxInts& dims, std::vector<Storage> stacks,
                              const OnnxInts& order) {
  return g.weight(name, dims, [dims, stacks = std::move(stacks), order] {
    std::int64_t size = 1;
    for (const auto d : dims) size *= d;
    const std::int64_t gate = size / std::int64_t(stacks.size() * order.size());
    auto all = Tensor<float, 1>::empty({size});
    float* to = all.data();
    for (const auto& stack : stacks) {
      const Storage memory = OnnxGraph::on_host(stack);
      for (const auto i : order) to = std::copy_n(static_cast<const float*>(memory.data()) + i * gate, gate, to);
    }
    return all.storage();
  });
}

/// One layer: x [L, B, I] → its states at all times [L, B, D H]. `cells`: forward, or forward and backward.
inline std::string onnx_layer(OnnxGraph& g, const std::string& path, const std::string& op, const std::string& x,
                              const std::string& lengths, std::span<const nn::RecurrentCell<float>> cells) {
  const OnnxInts order = op == "LSTM" ? OnnxInts{0, 3, 1, 2} : OnnxInts{1, 0, 2};
  std::vector<Storage> inputs, states, biases;
  for (const auto& c : cells) {
    inputs.push_back(c.weight_ih.storage()), states.push_back(c.weight_hh.storage());
    biases.push_back(c.bias_ih.storage()), biases.push_back(c.bias_hh.storage());
  }
  const auto directions = std::int64_t(cells.size());
  const std::int64_t rows = cells[0].weight_ih.extent(0), in = cells[0].weight_ih.extent(1);
  const std::int64_t hidden = cells[0].weight_hh.extent(1);
  const auto w = onnx_gates(g, path + ".weight_ih", {directions, rows, in}, inputs, order);
  const auto r = onnx_gates(g, path + ".weight_hh", {directions, rows, hidden}, states, order);
  const auto b = onnx_gates(g, path + ".bias", {directions, 2 * rows}, biases, order);
  std::vector<OnnxAttribute> attributes = {{"hidden_size", hidden},
                                           {"direction", directions == 2 ? "bidirectional" : "forward"}};
  if (op == "GRU") attributes.push_back({"linear_before_reset", 1});
  const auto y = g.node(path, op, {x, w, r, b, lengths}, attributes);  // [L, D, B, H]
  const auto by_text = g.node(path, "Transpose", {y}, {{"perm", OnnxInts{0, 2, 1, 3}}});
  return g.node(path, "Reshape", {by_text, g.ints({0, 0, directions * hidden})});  // 0: the extent that is there
}

/// Words, layers, the maximum over time, a linear layer.
inline OnnxGraph onnx_recurrent(const char* name, const std::string& path, const std::string& op, const auto& model) {
  OnnxGraph g(name);
  const OnnxText text = onnx_text(g);
  const auto e = onnx_embedding(g, "words", text.ids, model.words);        // [B, L, E]
  auto h = g.node(path, "Transpose", {e}, {{"perm", OnnxInts{1, 0, 2}}});  // [L, B, E]
  const auto count = g.node(path, "ReduceSum", {text.mask, g.ints({1})}, {{"keepdims", 0}});
  const auto lengths = g.node(path, "Cast", {count}, {{"to", std::int64_t(OnnxType::int32)}});  // [B]
  const nn::RecurrentLayers<float>& layers = model.cells.layers;
  const std::size_t directions = layers.bidirectional ? 2 : 1;
  for (std::size_t i = 0; i < layers.cells.size(); i += directions)
    h = onnx_layer(g, text_of(path, ".l", i / directions), op, h, lengths,
                   std::span(layers.cells).subspan(i, directions));
  const auto states = g.node(path, "Transpose", {h}, {{"perm", OnnxInts{1, 0, 2}}});  // [B, L, D H]
  const auto logits = onnx_linear(g, "out", onnx_max_over_time(g, "max", states, text.mask), model.out);
  g.output("logits", logits, OnnxType::float32, {"batch_size", model.out.weight.extent(0)});
  return g;
}
}  // namespace detail

inline OnnxGraph onnx_graph(const LstmClassifier<float>& model) {
  return detail::onnx_recurrent("lstm_classifier", "lstm", "LSTM", model);
}
inline OnnxGraph onnx_graph(const GruClassifier<float>& model) {
  return detail::onnx_recurrent("gru_classifier", "gru", "GRU", model);
}

}  // namespace quern::inline QUERN_ABI
