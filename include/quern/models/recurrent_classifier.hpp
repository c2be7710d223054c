/// What LstmClassifier and GruClassifier share: their sizes, and how they are made.
///
///   auto model = make_recurrent_classifier<LstmClassifier<float>>("lstm_classifier", config, seed);
#pragma once
#include <quern/nn/embedding.hpp>
#include <quern/nn/linear.hpp>
#include <quern/nn/recurrent.hpp>
#include <quern/ops/dropout.hpp>
#include <quern/ops/max_over_time.hpp>

namespace quern::inline QUERN_ABI {

/// Sizes. On a held-out tenth of short film reviews (MR) smaller word vectors did as well, and so did the mean over time
/// or the last states of both directions in place of the maximum; the maximum reads long texts as easily as short ones.
struct RecurrentClassifierConfig {
  std::int64_t vocabulary = 0, classes = 0;
  std::int64_t embedding = 300, hidden = 128, layers = 1;
  bool bidirectional = true;
  double dropout = 0.5;       // of the features, and between layers
  double word_dropout = 0.5;  // of the elements of the word vectors

  static void visit(auto&& f, auto& c) {
    f("embedding", c.embedding), f("hidden", c.hidden), f("layers", c.layers), f("bidirectional", c.bidirectional);
    f("dropout", c.dropout), f("word_dropout", c.word_dropout);
  }
  /// The numbers of such a model with 4 gates (LSTM) or 3 (GRU); counted in double, so that nothing overflows.
  double parameters(int gates) const {
    const double directions = bidirectional ? 2 : 1, h = double(hidden), out = directions * h;
    const auto layer = [&](double in) { return directions * gates * h * (in + h + 2); };
    return double(vocabulary) * double(embedding) + layer(double(embedding)) + double(layers - 1) * layer(out) +
           double(classes) * (out + 1);
  }
};

/// A model with initial values that depend on the seed alone.
template <class Model>
Model make_recurrent_classifier(const char* name, const RecurrentClassifierConfig& config, std::uint64_t seed) {
  require(config.vocabulary > 0 && config.classes > 0 && config.embedding > 0 && config.hidden > 0 && config.layers > 0,
          name, ": vocabulary ", config.vocabulary, ", classes ", config.classes, ", embedding ", config.embedding,
          ", hidden ", config.hidden, ", layers ", config.layers, "; all must be at least 1");
  Model model;
  model.words = {config.vocabulary, config.embedding};
  model.cells = {config.embedding,
                 config.hidden,
                 {.bidirectional = config.bidirectional, .layers = config.layers, .dropout = config.dropout}};
  model.out = {config.hidden * (config.bidirectional ? 2 : 1), config.classes};
  model.dropout = config.dropout, model.word_dropout = config.word_dropout;
  initialise(model, seed);
  return model;
}

}  // namespace quern::inline QUERN_ABI
