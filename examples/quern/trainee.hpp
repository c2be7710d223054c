/// A Trainee over a model of one kind: what the file of a kind instantiates.
#pragma once
#include <quern/io/onnx_save.hpp>
#include <quern/models/recurrent_classifier.hpp>
#include <quern/train/adversarial.hpp>
#include <quern/train/trainer.hpp>

#include "models.hpp"

/// `Rule` says what is done with each parameter: see ParameterOptions.
template <template <class> class M, class Rule>
class TraineeOf : public Trainee {
 public:
  TraineeOf(M<float> model, nlohmann::json settings, Rule rule)
      : model_(std::move(model)), settings_(std::move(settings)), rule_(std::move(rule)) {}

  std::int64_t weights() const override { return quern::count_parameters(model_); }
  nlohmann::json settings() const override { return settings_; }
  void use_vectors(const quern::WordVectors& given) override {
    if constexpr (requires { model_.words.weight; }) {
      for (std::size_t i = 0; i < given.ids.size(); ++i)
        std::copy_n(given.values.data() + std::int64_t(i) * given.dim, given.dim,
                    model_.words.weight.view().row(given.ids[i]));
    }
  }
  quern::TrainResult train(const quern::Encoded& texts, const quern::Split& split, const quern::TrainOptions& options,
                           const quern::TrainHooks& hooks) override {
    return quern::train(model_, texts, split, quern::classes_of(model_), options, hooks, rule_);
  }
  std::shared_ptr<const quern::Classifier> give() override { return quern::classifier(std::move(model_)); }

 protected:
  M<float> model_;
  nlohmann::json settings_;
  Rule rule_;
};

inline quern::RecurrentClassifierConfig recurrent_config(const TrainSettings& s, std::int64_t vocabulary,
                                                         std::int64_t classes) {
  return {.vocabulary = vocabulary,
          .classes = classes,
          .embedding = s.embedding,
          .hidden = s.hidden,
          .layers = s.layers,
          .bidirectional = s.bidirectional,
          .dropout = s.dropout,
          .word_dropout = s.word_dropout};
}

/// A model of a table of word vectors, which stay as given with --static. `config` has the sizes.
template <class Config, template <class> class M>
std::unique_ptr<Trainee> trainee_of_words(M<float> model, const Config& config, bool static_vectors) {
  nlohmann::json settings;
  Config::visit([&](const char* name, const auto& value) { settings[name] = value; }, config);
  settings["static"] = static_vectors;
  const auto rule = [static_vectors](const std::string& name) {
    return quern::ParameterOptions{.train = !static_vectors || name != "words.weight"};
  };
  return std::make_unique<TraineeOf<M, decltype(rule)>>(std::move(model), std::move(settings), rule);
}

/// The model itself, which is an M.
template <template <class> class M>
const M<float>& model_of(const quern::Classifier& any) {
  const M<float>* model = quern::model_in<M>(any);
  quern::require(model != nullptr, "a model of another kind");
  return *model;
}

template <template <class> class M>
quern::Metrics attacked_metrics(const quern::Classifier& any, const quern::Encoded& texts,
                                const quern::Attack& attack) {
  return quern::evaluate_under_attack(model_of<M>(any), texts, any.classes(), attack);
}

template <template <class> class M>
void save_as_onnx(const quern::Classifier& any, const std::string& path, const std::vector<std::string>& classes) {
  quern::save_onnx(model_of<M>(any), path, classes);
}
