/// --model lstm
#include <quern/io/onnx_recurrent.hpp>
#include <quern/models/lstm_classifier.hpp>

#include "trainee.hpp"

using namespace quern;

static std::unique_ptr<Trainee> make_lstm(const TrainSettings& s, std::int64_t vocabulary,
                                          const std::vector<std::string>& classes) {
  const RecurrentClassifierConfig config = recurrent_config(s, vocabulary, std::int64_t(classes.size()));
  return trainee_of_words(make_lstm_classifier(config, s.seed), config, s.static_vectors);
}

static double count_of_lstm(const RecurrentClassifierConfig& config) { return config.parameters(4); }

const ModelKind lstm_kind{"lstm", make_lstm,
                          read_model<RecurrentClassifierConfig, make_lstm_classifier<float>, count_of_lstm>,
                          attacked_metrics<LstmClassifier>, save_as_onnx<LstmClassifier>};
