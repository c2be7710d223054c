/// --model text_cnn
#include <quern/io/onnx_text_cnn.hpp>
#include <quern/models/text_cnn.hpp>

#include "trainee.hpp"

using namespace quern;

static std::unique_ptr<Trainee> make_text_cnn(const TrainSettings& s, std::int64_t vocabulary,
                                              const std::vector<std::string>& classes) {
  const TextCnnConfig config{.vocabulary = vocabulary,
                             .classes = std::int64_t(classes.size()),
                             .embedding = s.embedding,
                             .filters = s.filters,
                             .widths = s.widths,
                             .dropout = s.dropout,
                             .word_dropout = s.word_dropout};
  return trainee_of_words(make_text_cnn(config, s.seed), config, s.static_vectors);
}

const ModelKind text_cnn_kind{"text_cnn", make_text_cnn, read_model<TextCnnConfig, make_text_cnn<float>>,
                              attacked_metrics<TextCnn>, save_as_onnx<TextCnn>};
