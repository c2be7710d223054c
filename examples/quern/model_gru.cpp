/// --model gru
#include <quern/io/onnx_recurrent.hpp>
#include <quern/models/gru_classifier.hpp>

#include "trainee.hpp"

using namespace quern;

static std::unique_ptr<Trainee> make_gru(const TrainSettings& s, std::int64_t vocabulary,
                                         const std::vector<std::string>& classes) {
  const RecurrentClassifierConfig config = recurrent_config(s, vocabulary, std::int64_t(classes.size()));
  return trainee_of_words(make_gru_classifier(config, s.seed), config, s.static_vectors);
}

static double count_of_gru(const RecurrentClassifierConfig& config) { return config.parameters(3); }

const ModelKind gru_kind{"gru", make_gru,
                         read_model<RecurrentClassifierConfig, make_gru_classifier<float>, count_of_gru>,
                         attacked_metrics<GruClassifier>, save_as_onnx<GruClassifier>};
