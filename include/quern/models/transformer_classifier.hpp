/// A transformer encoder for texts, trained from nothing: word vectors with their places, pre-norm blocks, the mean
/// over time (after Vaswani et al. 2017).
///
///   auto model = make_transformer_classifier({.vocabulary = 20000, .classes = 2}, seed);
///   auto logits = model(batch);          // [B, classes]
#pragma once
#include <cmath>
#include <vector>

#include <quern/autograd/checkpoint.hpp>
#include <quern/nn/embedding.hpp>
#include <quern/nn/encoder_block.hpp>
#include <quern/ops/mean_over_time.hpp>
#include <quern/ops/positions.hpp>
#include <quern/ops/scale.hpp>

namespace quern::inline QUERN_ABI {

/// Sizes and settings.
struct TransformerClassifierConfig {
  std::int64_t vocabulary = 0, classes = 0;
  std::int64_t hidden = 128, layers = 2, heads = 4, feed_forward = 256;
  std::int64_t positions = 0;  // learned places of the first tokens of a text; 0: sinusoids, for any length
  double dropout = 0.1;        // within the blocks
  double out_dropout = 0.5;    // of the mean
  double word_dropout = 0.1;   // of the elements of the word vectors

  static void visit(auto&& f, auto& c) {
    f("hidden", c.hidden), f("layers", c.layers), f("heads", c.heads), f("feed_forward", c.feed_forward);
    f("positions", c.positions);
    f("dropout", c.dropout), f("out_dropout", c.out_dropout), f("word_dropout", c.word_dropout);
  }
  /// The numbers of such a model; counted in double, so that nothing overflows.
  double parameters() const {
    const double c = double(hidden), f = double(feed_forward);
    return c * (double(vocabulary) + double(positions) + 2) +
           double(layers) * (4 * c * (c + 1) + 2 * c * f + f + 5 * c) + double(classes) * (c + 1);
  }
};

template <class T = float>
struct TransformerClassifier {
  nn::Embedding<T> words;      // [V, C]
  nn::Embedding<T> positions;  // [most tokens of a text, C], or [0, C]: sinusoids
  std::vector<nn::EncoderBlock<T>> blocks;
  nn::LayerNorm<T> norm;
  nn::Linear<T> out;
  double word_dropout = 0, dropout = 0;  // of the word vectors' elements; of the mean
  bool recompute = false;  // compute every block again in backward instead of keeping what that needs: less memory

  static void visit(auto&& f, auto&... m) {
    f("words", m.words...), f("positions", m.positions...), f("blocks", m.blocks...), f("norm", m.norm...);
    f("out", m.out...), f("word_dropout", m.word_dropout...), f("dropout", m.dropout...);
    f("recompute", m.recompute...);
  }

  /// ids [N] of B texts → their word vectors, rows [N, C]
  auto embedded(const Batch& batch) const { return words(batch); }

  /// Word vectors, rows [N, C] of B texts → logits [B, classes]
  template <class X>
  Tensor<X, 2> logits(const Packed<X>& vectors) const {
    auto x = quern::dropout(with_places(vectors), word_dropout);
    for (const auto& block : blocks) x = recompute ? checkpoint(block, x) : block(x);
    return out(quern::dropout(mean_over_time(norm(x)), dropout));
  }

  /// ids [N] of B texts → logits [B, classes]. In two parts, so that an attack can stand between them.
  auto operator()(const Batch& batch) const { return logits(embedded(batch)); }

 private:
  /// √C · vectors + places (Vaswani et al. 2017, section 3.4), so that words begin with the size of their places.
  template <class X>
  Packed<X> with_places(const Packed<X>& vectors) const {
    const std::int64_t n = vectors.rows.extent(0), width = words.weight.extent(1);
    const auto scaled = scale(vectors.rows, std::sqrt(double(width)));
    if (positions.weight.extent(0) == 0) {
      using Plain = std::remove_cvref_t<decltype(value(vectors.rows))>;
      return {add(scaled, sinusoidal_positions<typename Plain::Element>(vectors.offsets, n, width)), vectors.offsets};
    }
    check_places("transformer_classifier", vectors.offsets, positions.weight.extent(0));
    return {add(scaled, positions(token_positions(vectors.offsets, n))), vectors.offsets};
  }
};

/// A model with initial values that depend on the seed alone.
template <class T = float>
TransformerClassifier<T> make_transformer_classifier(const TransformerClassifierConfig& c, std::uint64_t seed) {
  require(c.vocabulary > 0 && c.classes > 0 && c.hidden > 0 && c.layers > 0 && c.heads > 0 && c.feed_forward > 0 &&
              c.positions >= 0,
          "transformer_classifier: vocabulary ", c.vocabulary, ", classes ", c.classes, ", hidden ", c.hidden,
          ", layers ", c.layers, ", heads ", c.heads, ", feed_forward ", c.feed_forward, ", positions ", c.positions,
          "; all must be at least 1, positions at least 0");
  require(c.hidden % c.heads == 0, "transformer_classifier: hidden ", c.hidden, " must be a multiple of heads, ",
          c.heads);
  TransformerClassifier<T> m;
  m.words = {c.vocabulary, c.hidden};
  m.positions = {c.positions, c.hidden};
  for (std::int64_t i = 0; i < c.layers; ++i)
    m.blocks.emplace_back(
        c.hidden, c.heads, c.feed_forward,
        nn::EncoderBlockOptions{
            .norm_first = true, .dropout = c.dropout, .attention_dropout = c.dropout, .norm_eps = 1e-5});
  m.norm = nn::LayerNorm<T>(c.hidden);
  m.out = {c.hidden, c.classes};
  m.word_dropout = c.word_dropout, m.dropout = c.out_dropout;
  initialise(m, seed);
  return m;
}

}  // namespace quern::inline QUERN_ABI
