/// From text to probabilities with a trained model: the cleaning, tokenizer, vocabulary and model code of training,
/// nothing exported in between.
///
///   const Predictor predictor = load_run("run");
///   Tensor<float, 2> p = predictor.predict(texts);                     // [texts, classes]
///   predictor.classes()[largest(std::span(p.view().row(0), 2))];
///
/// A Predictor does not change once made: any number of threads may use it at a time.
#pragma once
#include <cmath>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <quern/data/encode.hpp>
#include <quern/models/text_cnn.hpp>
#include <quern/text/clean_options.hpp>
#include <quern/train/evaluate.hpp>

namespace quern::inline QUERN_ABI {

class Predictor {
 public:
  /// `max_tokens`: longer texts are cut (0: never). `cleaner`: what was done to the texts that were trained on.
  Predictor(Tokenizer tokenizer, Vocabulary vocabulary, std::vector<std::string> classes, TextCnn<float> model,
            std::int64_t max_tokens = 0, Cleaner cleaner = {})
      : tokenizer_(tokenizer),
        vocabulary_(std::move(vocabulary)),
        classes_(std::move(classes)),
        model_(std::move(model)),
        max_tokens_(max_tokens),
        cleaner_(cleaner) {
    require(cleaner_.clean || !cleaner_.cleans(), "predictor: its texts are cleaned (", names_of(cleaner_.options),
            "), but no function is given that does it: include <quern/text/clean.hpp> and give clean");
    require(model_.words.weight.extent(0) == vocabulary_.size(), "predictor: the vocabulary has ", vocabulary_.size(),
            " tokens, the model ", model_.words.weight.extent(0));
    require(model_.out.weight.extent(0) == std::int64_t(classes_.size()), "predictor: ", classes_.size(),
            " classes, but the model has ", model_.out.weight.extent(0));
  }

  /// Probabilities [texts, classes].
  Tensor<float, 2> predict(std::span<const std::string> texts) const {
    auto p = probabilities_of(model_, encoded(texts), std::int64_t(classes_.size()));
    for (std::int64_t i = 0; i < p.size(); ++i)
      check(std::isfinite(p.data()[i]), "predict: the probabilities of text ", i / p.extent(1) + 1,
            " are no numbers: the weights are too large; was the model trained with too high a learning rate?");
    return p;
  }
  Tensor<float, 2> predict(const std::string& text) const { return predict(std::span(&text, 1)); }

  /// Against the labels, which are indices into classes().
  Metrics evaluate(std::span<const std::string> texts, std::span<const std::int32_t> labels) const {
    const auto m = quern::evaluate(model_, encoded(texts, labels), std::int64_t(classes_.size()));
    check(std::isfinite(m.loss), "evaluate: the loss is ", m.loss, ": the weights are too large");
    return m;
  }

  Encoded encoded(std::span<const std::string> texts, std::span<const std::int32_t> labels = {}) const {
    if (cleaner_.cleans()) return encode(cleaner_(texts), tokenizer_, vocabulary_, labels, max_tokens_);
    return encode(texts, tokenizer_, vocabulary_, labels, max_tokens_);
  }

  /// The same, computing on another device.
  Predictor to(Device device) const {
    Predictor moved = *this;
    moved.model_ = quern::to(model_, device);
    return moved;
  }

  const Tokenizer& tokenizer() const { return tokenizer_; }
  const Cleaner& cleaner() const { return cleaner_; }
  const Vocabulary& vocabulary() const { return vocabulary_; }
  const std::vector<std::string>& classes() const { return classes_; }
  const TextCnn<float>& model() const { return model_; }

 private:
  Tokenizer tokenizer_;
  Vocabulary vocabulary_;
  std::vector<std::string> classes_;
  TextCnn<float> model_;
  std::int64_t max_tokens_;
  Cleaner cleaner_;
};

}  // namespace quern::inline QUERN_ABI
