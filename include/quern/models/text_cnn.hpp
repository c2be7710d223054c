/// The convolutional text classifier of Kim, "Convolutional neural networks for sentence classification" (2014).
///
///   auto model = make_text_cnn({.vocabulary = 20000, .classes = 2}, seed);
///   auto logits = model(batch);          // [B, classes]
#pragma once
#include <vector>

#include <quern/nn/conv1d.hpp>
#include <quern/nn/embedding.hpp>
#include <quern/nn/linear.hpp>
#include <quern/ops/concat.hpp>
#include <quern/ops/conv1d_relu_max_over_time.hpp>
#include <quern/ops/dropout.hpp>

namespace quern::inline QUERN_ABI {

/// Sizes; the defaults are Kim's. `visit` goes through what config.json has of them.
struct TextCnnConfig {
  std::int64_t vocabulary = 0, classes = 0;
  std::int64_t embedding = 300, filters = 100;
  std::vector<std::int64_t> widths = {3, 4, 5};
  double dropout = 0.5;     // of the features
  double word_dropout = 0;  // of the elements of the word vectors

  static void visit(auto&& f, auto& c) {
    f("embedding", c.embedding), f("filters", c.filters), f("widths", c.widths);
    f("dropout", c.dropout), f("word_dropout", c.word_dropout);
  }
  /// The numbers of such a model; counted in double, so that nothing overflows.
  double parameters() const {
    double n = double(vocabulary) * double(embedding) + double(classes);
    for (const auto width : widths) n += double(filters) * (double(embedding) * double(width) + 1 + double(classes));
    return n;
  }
};

template <class T = float>
struct TextCnn {
  nn::Embedding<T> words;
  std::vector<nn::Conv1d<T>> windows;
  nn::Linear<T> out;
  double dropout = 0.5, word_dropout = 0;

  static void visit(auto&& f, auto&... m) {
    f("words", m.words...), f("windows", m.windows...), f("out", m.out...);
    f("dropout", m.dropout...), f("word_dropout", m.word_dropout...);
  }

  /// ids [N] of B texts → their word vectors, rows [N, E]
  auto embedded(const Batch& batch) const { return words(batch); }

  /// Word vectors, rows [N, E] of B texts → logits [B, classes]
  auto logits(const auto& vectors) const {
    const auto e = quern::dropout(vectors, word_dropout);
    const auto h = concat(windows, [&](const auto& w) { return conv1d_relu_max_over_time(e, w.weight, w.bias); });
    return out(quern::dropout(h, dropout));  // h [B, Σ filters]
  }

  /// ids [N] of B texts → logits [B, classes]. In two parts, so that an attack can stand between them.
  auto operator()(const Batch& batch) const { return logits(embedded(batch)); }
};

/// A model with initial values that depend on the seed alone.
template <class T = float>
TextCnn<T> make_text_cnn(const TextCnnConfig& config, std::uint64_t seed) {
  require(config.vocabulary > 0 && config.classes > 0 && config.embedding > 0 && config.filters > 0 &&
              !config.widths.empty(),
          "text_cnn: vocabulary ", config.vocabulary, ", classes ", config.classes, ", embedding ", config.embedding,
          ", filters ", config.filters, ", ", config.widths.size(), " widths; all must be at least 1");
  TextCnn<T> model;
  model.words = {config.vocabulary, config.embedding};
  for (auto width : config.widths) {
    require(width >= 1, "text_cnn: a window of width ", width, "; expected at least 1");
    model.windows.emplace_back(config.embedding, config.filters, width);
  }
  model.out = {config.filters * std::int64_t(config.widths.size()), config.classes};
  model.dropout = config.dropout, model.word_dropout = config.word_dropout;
  initialise(model, seed);
  return model;
}

}  // namespace quern::inline QUERN_ABI
