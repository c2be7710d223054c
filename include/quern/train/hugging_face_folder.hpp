/// Needs nlohmann-json and utf8proc (link utf8proc). The folder of a BERT classifier as Hugging Face writes it, from a
/// text to probabilities; and such a folder written, which AutoTokenizer and AutoModelForSequenceClassification open.
///
///   const Predictor predictor = load_hugging_face("folder");   // config.json, model.safetensors, the tokenizer
///   Tensor<float, 2> z = predictor.logits(texts);              // what Python's model gives, [texts, classes]
///   save_hugging_face("tuned", model, labels, "folder");       // tokenizer and settings are those of "folder"
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include <quern/data/pieces_to_ids.hpp>
#include <quern/io/hugging_face_save.hpp>
#include <quern/io/hugging_face_tokenizer.hpp>
#include <quern/train/run_folder.hpp>

namespace quern::inline QUERN_ABI {

/// The tokenizer of a folder. One with more tokens than the model has rows is of another model.
inline std::shared_ptr<const PiecesToIds> load_pieces(const std::string& folder, const BertConfig& config) {
  auto pieces = std::make_shared<const PiecesToIds>(load_wordpiece(folder));
  check(pieces->size() <= config.vocabulary, folder, ": its tokenizer has ", pieces->size(),
        " tokens, but config.json says 'vocab_size' ", config.vocabulary, "; are they of two models?");
  return pieces;
}

/// The most tokens of a text that a model takes: `asked` (0: as many as it can), not more than it has positions.
inline std::int64_t tokens_of_bert(const BertConfig& config, std::int64_t asked) {
  return asked > 0 ? std::min(asked, config.positions) : config.positions;
}

/// Whether config.json is one of a model with a layer for classes.
inline bool has_classifier(const std::string& folder) {
  const auto json = read_json(folder + "/config.json");
  if (!json.contains("architectures") || !json["architectures"].is_array()) return false;
  for (const auto& name : json["architectures"])
    if (name == "BertForSequenceClassification") return true;
  return false;
}

/// `clean` is asked for where quern.json says that the texts were cleaned: see load_run().
inline Predictor load_hugging_face(const std::string& folder, decltype(Cleaner::clean) clean = nullptr) {
  auto loaded = load_bert_classifier(folder);
  const std::string where = folder + "/config.json";
  check(loaded.config.problem_type.empty() || loaded.config.problem_type == "single_label_classification", where,
        ": 'problem_type' is ", loaded.config.problem_type, "; expected single_label_classification");
  auto pieces = load_pieces(folder, loaded.config.model);
  std::int64_t asked = pieces->pieces().options().max_tokens;
  Cleaner cleaner;
  if (const RunFolder run = RunFolder::found(folder); run.of_hugging_face) {  // written by quern train
    const auto settings = read_json(run.config());
    asked = json_value<std::int64_t>(settings, "max_tokens", run.config());
    check(asked >= 0, run.config(), ": 'max_tokens' is ", asked, ", expected at least 0");
    cleaner = cleaner_of(settings, run.config(), clean);
  }
  return {std::move(pieces), std::move(loaded.config.labels), classifier(std::move(loaded.model)),
          tokens_of_bert(loaded.config.model, asked), cleaner};
}

/// Copies the tokenizer's files.
inline void copy_tokenizer(const std::string& from, const std::string& to) {
  for (const std::string name : {"vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"})
    if (RunFolder::exists(from + "/" + name)) atomic_write(to + "/" + name, read_file(from + "/" + name));
}

/// Writes the model with these labels; what it does not say itself, sizes, dropout and tokenizer, is of the folder
/// `from` that it began with.
inline void save_hugging_face(const std::string& folder, const BertClassifier<float>& model,
                              const std::vector<std::string>& labels, const std::string& from) {
  auto config = read_hugging_face_config(from + "/config.json");
  config.labels = labels, config.model.classes = std::int64_t(labels.size()), config.problem_type.clear();
  save_bert(folder, model, config);
  copy_tokenizer(from, folder);
}

}  // namespace quern::inline QUERN_ABI
