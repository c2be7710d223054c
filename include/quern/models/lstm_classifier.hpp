/// A text classifier: word vectors, a bidirectional LSTM, the maximum over time of its states (as Conneau et al. 2017
/// have it), and a linear layer.
///
///   auto model = make_lstm_classifier({.vocabulary = 20000, .classes = 2}, seed);
///   auto logits = model(batch);          // [B, classes]
#pragma once
#include <quern/models/recurrent_classifier.hpp>
#include <quern/nn/lstm.hpp>

namespace quern::inline QUERN_ABI {

template <class T = float>
struct LstmClassifier {
  nn::Embedding<T> words;
  nn::Lstm<T> cells;
  nn::Linear<T> out;
  double dropout = 0.5, word_dropout = 0;

  static void visit(auto&& f, auto&... m) {
    f("words", m.words...), f("lstm", m.cells...), f("out", m.out...);
    f("dropout", m.dropout...), f("word_dropout", m.word_dropout...);
  }

  /// ids [N] of B texts → their word vectors, rows [N, E]
  auto embedded(const Batch& batch) const { return words(batch); }

  /// Word vectors, rows [N, E] of B texts → logits [B, classes]
  auto logits(const auto& vectors) const {
    const auto h = max_over_time(cells(quern::dropout(vectors, word_dropout)));  // [B, 2H]
    return out(quern::dropout(h, dropout));
  }

  /// ids [N] of B texts → logits [B, classes]. In two parts, so that an attack can stand between them.
  auto operator()(const Batch& batch) const { return logits(embedded(batch)); }
};

template <class T = float>
LstmClassifier<T> make_lstm_classifier(const RecurrentClassifierConfig& config, std::uint64_t seed) {
  return make_recurrent_classifier<LstmClassifier<T>>("lstm_classifier", config, seed);
}

}  // namespace quern::inline QUERN_ABI
