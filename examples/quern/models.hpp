/// The kinds of models that the program trains and reads. What takes long to compile of a kind, its training above all,
/// stands in model_NAME.cpp; all else is written and compiled once for all kinds.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>
#include <quern/data/split.hpp>
#include <quern/text/vectors.hpp>
#include <quern/train/hooks.hpp>
#include <quern/train/predictor.hpp>
#include <quern/train/read_model.hpp>
#include <quern/train/run_folder.hpp>

#include "settings.hpp"

/// A model on its way through one training.
class Trainee {
 public:
  virtual ~Trainee() = default;
  virtual std::int64_t weights() const = 0;
  /// The settings it was made with, for the identity of a checkpoint.
  virtual nlohmann::json settings() const = 0;
  /// Puts given vectors into the rows of their words.
  virtual void use_vectors(const quern::WordVectors& given) = 0;
  /// Throws Diverged; then too the model holds the best weights.
  virtual quern::TrainResult train(const quern::Encoded& texts, const quern::Split& split,
                                   const quern::TrainOptions& options, const quern::TrainHooks& hooks) = 0;
  /// The trained model; the trainee is of no use afterwards.
  virtual std::shared_ptr<const quern::Classifier> give() = 0;
};

struct ModelKind {
  const char* name;
  std::unique_ptr<Trainee> (*make)(const TrainSettings& settings, std::int64_t vocabulary,
                                   const std::vector<std::string>& classes);
  decltype(quern::ModelReader::read) read;  // from the folder of a run; null where that is Hugging Face's
  quern::Metrics (*evaluate_under_attack)(const quern::Classifier& model, const quern::Encoded& texts,
                                          const quern::Attack& attack);
  void (*save_onnx)(const quern::Classifier& model, const std::string& path, const std::vector<std::string>& classes);
};

extern const ModelKind text_cnn_kind, lstm_kind, gru_kind, transformer_kind, bert_kind;

/// The parts of bert_kind that only a folder of Hugging Face asks for.
std::shared_ptr<const quern::TextToIds> pieces_of(const TrainSettings& settings);
/// The classes that the folder --from was trained for, where they are to be kept; else none.
std::vector<std::string> classes_to_keep(const TrainSettings& settings);
quern::Predictor load_bert_folder(const std::string& path);
void save_bert_folder(const std::string& path, const quern::Predictor& predictor, const std::string& from);

/// The kind of that name, which was checked.
const ModelKind& kind_named(std::string_view name);

struct LoadedModel {
  quern::Predictor predictor;
  const ModelKind& kind;
};

/// The model of a folder, on the device; with the cleaning of its training.
LoadedModel load_model(const std::string& path, quern::Device device);
