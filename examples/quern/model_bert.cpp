/// --model bert: fine-tuned from a folder of Hugging Face, and written as one.
#include <quern/io/onnx_transformer.hpp>
#include <quern/optim/layerwise_decay.hpp>
#include <quern/train/hugging_face_folder.hpp>

#include "commands.hpp"
#include "reading.hpp"
#include "trainee.hpp"

using namespace quern;

/// Says what of the model is new, and what of the folder is not used.
static void say_names(const std::string& folder, const char* what, const std::vector<std::string>& names) {
  std::string line = text_of(folder, ": ", what);
  for (std::size_t i = 0; i < names.size() && i < 6; ++i) line += (i ? ", " : " ") + names[i];
  if (!names.empty()) say(line + (names.size() > 6 ? ", …" : ""));
}

/// Computes in bf16.
class BertInBf16 final : public TraineeOf<BertClassifier, LayerwiseDecay> {
 public:
  using TraineeOf::TraineeOf;
  TrainResult train(const Encoded& texts, const Split& split, const TrainOptions& options,
                    const TrainHooks& hooks) override {
    return train_in<bf16>(model_, texts, split, classes_of(model_), options, hooks, rule_);
  }
};

static std::unique_ptr<Trainee> make_bert(const TrainSettings& s, std::int64_t,
                                          const std::vector<std::string>& classes) {
  LoadBertOptions options{.new_classifier = classes, .seed = s.seed};
  if (!classes_to_keep(s).empty()) options.new_classifier.clear();
  auto loaded = load_bert_classifier(s.from, options);
  say_names(s.from, "made anew:", loaded.initialised);
  say_names(s.from, "not used:", loaded.unused);
  Fingerprint weights;
  walk_tensors(
      [&](const Path&, const auto& x) {
        weights.add(std::string_view(reinterpret_cast<const char*>(x.data()), x.bytes()));
      },
      loaded.model);
  loaded.model.bert.recompute = s.recompute;
  const auto rule = layerwise_decay(loaded.config.model.layers, s.layer_decay);
  const nlohmann::json settings{{"from", weights.text()}, {"layer_decay", s.layer_decay}};
  if (s.precision == "bf16") return std::make_unique<BertInBf16>(std::move(loaded.model), settings, rule);
  return std::make_unique<TraineeOf<BertClassifier, LayerwiseDecay>>(std::move(loaded.model), settings, rule);
}

const ModelKind bert_kind{"bert", make_bert, nullptr, attacked_metrics<BertClassifier>, save_as_onnx<BertClassifier>};

std::shared_ptr<const TextToIds> pieces_of(const TrainSettings& s) {
  const auto config = detail::config_in(s.from).model;
  check(s.max_tokens <= config.positions, s.from, ": the model has ", config.positions, " positions, --max-tokens is ",
        s.max_tokens);
  auto pieces = load_pieces(s.from, config);
  if (pieces->size() < config.vocabulary)
    say(text_of(s.from, ": the tokenizer has ", pieces->size(), " tokens, the model a row for each of ",
                config.vocabulary, "; the others are never used"));
  return pieces;
}

std::vector<std::string> classes_to_keep(const TrainSettings& s) {
  const auto config = detail::config_in(s.from);
  if (s.new_head || !has_classifier(s.from)) return {};
  return config.labels;
}

Predictor load_bert_folder(const std::string& path) {
  detail::config_in(path);  // its errors come first
  check(has_classifier(path) || HuggingFaceWeights(path).has("classifier.weight"), path,
        ": this BERT has no classifier yet; train one: quern train DATA --model bert --from ", path, " --out DIR");
  return load_hugging_face(path, cleaning_function());
}

void save_bert_folder(const std::string& path, const Predictor& predictor, const std::string& from) {
  save_hugging_face(path, model_of<BertClassifier>(predictor.model()), predictor.classes(), from);
}
