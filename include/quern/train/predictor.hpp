/// From text to probabilities with a trained model of any kind: the cleaning, tokenizer, vocabulary and model code of
/// training, nothing exported in between.
///
///   const Predictor predictor = load_run("run");
///   Tensor<float, 2> p = predictor.predict(texts);                     // [texts, classes]
///   predictor.classes()[largest(std::span(p.view().row(0), 2))];
///
/// A Predictor does not change once made: any number of threads may use it at a time.
#pragma once
#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <quern/data/text_to_ids.hpp>
#include <quern/text/clean_options.hpp>
#include <quern/train/classifier.hpp>

namespace quern::inline QUERN_ABI {

class Predictor {
 public:
  /// `max_tokens`: longer texts are cut (0: never). `cleaner`: what was done to the texts that were trained on.
  Predictor(std::shared_ptr<const TextToIds> ids, std::vector<std::string> classes,
            std::shared_ptr<const Classifier> model, std::int64_t max_tokens = 0, Cleaner cleaner = {})
      : ids_(std::move(ids)),
        classes_(std::move(classes)),
        model_(std::move(model)),
        max_tokens_(max_tokens),
        cleaner_(cleaner) {
    require(ids_ && model_, "predictor: no tokenizer, or no model");
    require(cleaner_.clean || !cleaner_.cleans(), "predictor: its texts are cleaned (", names_of(cleaner_.options),
            "), but no function is given that does it: include <quern/text/clean.hpp> and give clean");
    require(model_->vocabulary() >= ids_->size(), "predictor: the vocabulary has ", ids_->size(), " tokens, the model ",
            model_->vocabulary());
    require(model_->classes() == std::int64_t(classes_.size()), "predictor: ", classes_.size(),
            " classes, but the model has ", model_->classes());
  }

  /// Of words or characters, and a model as it comes from training.
  template <template <class> class M>
  Predictor(Tokenizer tokenizer, Vocabulary vocabulary, std::vector<std::string> classes, M<float> model,
            std::int64_t max_tokens = 0, Cleaner cleaner = {})
      : Predictor(std::make_shared<const WordsToIds>(tokenizer, std::move(vocabulary)), std::move(classes),
                  classifier(std::move(model)), max_tokens, cleaner) {}

  /// Logits [texts, classes].
  Tensor<float, 2> logits(std::span<const std::string> texts) const {
    auto z = model_->logits(encoded(texts));
    for (std::int64_t i = 0; i < z.size(); ++i)
      check(std::isfinite(z.data()[i]), "predict: the logits of text ", i / z.extent(1) + 1,
            " are no numbers: the weights are too large; was the model trained with too high a learning rate?");
    return z;
  }

  /// Probabilities [texts, classes].
  Tensor<float, 2> predict(std::span<const std::string> texts) const { return softmax(logits(texts)); }
  Tensor<float, 2> predict(const std::string& text) const { return predict(std::span(&text, 1)); }

  /// Against the labels, which are indices into classes().
  Metrics evaluate(std::span<const std::string> texts, std::span<const std::int32_t> labels) const {
    const auto m = quern::evaluate(*model_, encoded(texts, labels));
    check(std::isfinite(m.loss), "evaluate: the loss is ", m.loss, ": the weights are too large");
    return m;
  }

  Encoded encoded(std::span<const std::string> texts, std::span<const std::int32_t> labels = {}) const {
    if (cleaner_.cleans()) return (*ids_)(cleaner_(texts), labels, max_tokens_);
    return (*ids_)(texts, labels, max_tokens_);
  }

  /// The same, computing on another device.
  Predictor to(Device device) const { return {ids_, classes_, model_->to(device), max_tokens_, cleaner_}; }

  const TextToIds& ids() const { return *ids_; }
  const Cleaner& cleaner() const { return cleaner_; }
  const std::vector<std::string>& classes() const { return classes_; }
  std::int64_t max_tokens() const { return max_tokens_; }
  const Classifier& model() const { return *model_; }

 private:
  std::shared_ptr<const TextToIds> ids_;
  std::vector<std::string> classes_;
  std::shared_ptr<const Classifier> model_;
  std::int64_t max_tokens_;
  Cleaner cleaner_;
};

}  // namespace quern::inline QUERN_ABI
