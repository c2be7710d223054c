/// Needs protozero. Transformers as ONNX graphs: BERT's classifier, and the one trained from nothing. Padding is taken
/// out of every attention, and out of the mean of a text's rows.
///
///   OnnxGraph g = onnx_graph(model);     // input_ids, attention_mask, of BERT also token_type_ids → logits
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include <quern/io/onnx_attention.hpp>
#include <quern/models/bert.hpp>
#include <quern/models/transformer_classifier.hpp>

namespace quern::inline QUERN_ABI {

namespace detail {
/// 0, 1, … of a batch's length, int64 [L].
inline std::string onnx_places(OnnxGraph& g, const std::string& ids) {
  const auto length = g.node("places", "Gather", {g.node("places", "Shape", {ids}), g.integer(1)});
  return g.node("places", "Range", {g.integer(0), length, g.integer(1)});
}

/// Sines and cosines of places [L] → [L, C], as sinusoidal_positions has them. Angles grow with the place, so they are
/// doubles; a cosine is the sine of a quarter turn more.
inline std::string onnx_sinusoids(OnnxGraph& g, const std::string& places, std::int64_t columns) {
  std::vector<double> frequencies, turns;
  for (std::int64_t c = 0; c < columns; ++c) {
    frequencies.push_back(std::pow(10000.0, -double(c - c % 2) / double(columns)));
    turns.push_back(c % 2 ? std::acos(0.0) : 0);
  }
  const auto at = g.node("places", "Cast", {places}, {{"to", std::int64_t(OnnxType::float64)}});
  const auto column = g.node("places", "Unsqueeze", {at, g.ints({1})});
  const auto angles = g.node("places", "Mul", {column, g.doubles("places.frequencies", frequencies)});
  const auto turned = g.node("places", "Add", {angles, g.doubles("places.turns", turns)});
  return g.node("places", "Cast", {g.node("places", "Sin", {turned})}, {{"to", std::int64_t(OnnxType::float32)}});
}

/// The first row of every text: x [B, L, C] → [B, C]
inline std::string onnx_first_rows(OnnxGraph& g, const std::string& path, const std::string& x) {
  return g.node(path, "Gather", {x, g.integer(0)}, {{"axis", 1}});
}

/// Rows x [B, L, C] → [B, L, C]; with `first_rows` the first row of every text alone [B, C].
inline std::string onnx_block(OnnxGraph& g, const std::string& path, const std::string& x, const std::string& hidden,
                              const nn::EncoderBlock<float>& m, bool first_rows = false) {
  const auto chosen = [&](const std::string& rows) { return first_rows ? onnx_first_rows(g, path, rows) : rows; };
  const auto sum = [&](const std::string& y, const std::string& added) { return g.node(path, "Add", {y, added}); };
  const auto feed_forward = [&](const std::string& rows) {
    const auto inner = onnx_linear(g, path + ".intermediate", rows, m.intermediate);
    return onnx_linear(g, path + ".output", onnx_gelu(g, path + ".gelu", inner), m.output);
  };
  const auto norm = [&](const char* name, const std::string& rows, const nn::LayerNorm<float>& n) {
    return onnx_layer_norm(g, path + name, rows, n);
  };
  const auto in = m.norm_first ? norm(".attention_norm", x, m.attention_norm) : x;
  const auto attended = chosen(onnx_attention(g, path + ".attention", in, hidden, m.attention));
  const auto found = sum(chosen(x), onnx_linear(g, path + ".attention.out", attended, m.attention.out));
  if (m.norm_first) return sum(found, feed_forward(norm(".output_norm", found, m.output_norm)));
  const auto h = norm(".attention_norm", found, m.attention_norm);
  return norm(".output_norm", sum(h, feed_forward(h)), m.output_norm);
}
}  // namespace detail

inline OnnxGraph onnx_graph(const TransformerClassifier<float>& model) {
  OnnxGraph g("transformer_classifier");
  const OnnxText text = onnx_text(g);
  const std::int64_t columns = model.words.weight.extent(1);
  const auto words = onnx_embedding(g, "words", text.ids, model.words);
  const auto scaled = g.node("words", "Mul", {words, g.number(std::sqrt(float(columns)))});
  const auto places = detail::onnx_places(g, text.ids);
  const bool learned = model.positions.weight.extent(0) > 0;
  auto x = g.node("words", "Add",
                  {scaled, learned ? onnx_embedding(g, "positions", places, model.positions)
                                   : detail::onnx_sinusoids(g, places, columns)});  // [B, L, C]
  const auto hidden = onnx_hidden_keys(g, text.mask);
  for (std::size_t i = 0; i < model.blocks.size(); ++i)
    x = detail::onnx_block(g, text_of("blocks.", i), x, hidden, model.blocks[i]);
  const auto mean = onnx_mean_over_time(g, "mean", onnx_layer_norm(g, "norm", x, model.norm), text.mask);
  const auto logits = onnx_linear(g, "out", mean, model.out);
  g.output("logits", logits, OnnxType::float32, {"batch_size", model.out.weight.extent(0)});
  return g;
}

/// Of the last block the first rows alone, as the model itself.
inline OnnxGraph onnx_graph(const BertClassifier<float>& model) {
  OnnxGraph g("bert_classifier");
  const OnnxText text = onnx_text(g);
  const std::string types = g.input("token_type_ids", OnnxType::int64, {"batch_size", "sequence_length"});
  const Bert<float>& bert = model.bert;
  require(bert.pooler.has_value(), "onnx: this BERT has no pooler, which a classifier needs");
  const std::string path = "bert.embeddings";
  const auto words = onnx_embedding(g, path + ".words", text.ids, bert.embeddings.words);
  const auto of_types = onnx_embedding(g, path + ".types", types, bert.embeddings.types);
  const auto places = detail::onnx_places(g, text.ids);
  const auto positions = onnx_embedding(g, path + ".positions", places, bert.embeddings.positions);
  const auto sums = g.node(path, "Add", {g.node(path, "Add", {words, of_types}), positions});
  auto x = onnx_layer_norm(g, path + ".norm", sums, bert.embeddings.norm);  // [B, L, C]
  const auto hidden = onnx_hidden_keys(g, text.mask);
  for (std::size_t i = 0; i < bert.blocks.size(); ++i)
    x = detail::onnx_block(g, text_of("bert.blocks.", i), x, hidden, bert.blocks[i], i + 1 == bert.blocks.size());
  if (bert.blocks.empty()) x = detail::onnx_first_rows(g, "bert.pooler", x);
  const auto pooled = g.node("bert.pooler", "Tanh", {onnx_linear(g, "bert.pooler", x, *bert.pooler)});  // [B, C]
  const auto logits = onnx_linear(g, "classifier", pooled, model.classifier);
  g.output("logits", logits, OnnxType::float32, {"batch_size", model.classifier.weight.extent(0)});
  return g;
}

}  // namespace quern::inline QUERN_ABI
