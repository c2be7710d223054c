/// --model transformer
#include <quern/io/onnx_transformer.hpp>
#include <quern/models/transformer_classifier.hpp>

#include "trainee.hpp"

using namespace quern;

static std::unique_ptr<Trainee> make_transformer(const TrainSettings& s, std::int64_t vocabulary,
                                                 const std::vector<std::string>& classes) {
  const TransformerClassifierConfig config{.vocabulary = vocabulary,
                                           .classes = std::int64_t(classes.size()),
                                           .hidden = s.hidden,
                                           .layers = s.layers,
                                           .heads = s.heads,
                                           .feed_forward = s.feed_forward,
                                           .positions = s.positions,
                                           .dropout = s.dropout,
                                           .out_dropout = s.out_dropout,
                                           .word_dropout = s.word_dropout};
  auto model = make_transformer_classifier(config, s.seed);
  model.recompute = s.recompute;
  return trainee_of_words(std::move(model), config, false);
}

const ModelKind transformer_kind{"transformer", make_transformer,
                                 read_model<TransformerClassifierConfig, make_transformer_classifier<float>>,
                                 attacked_metrics<TransformerClassifier>, save_as_onnx<TransformerClassifier>};
