/// Needs nlohmann-json. A BERT as a folder that transformers opens: config.json and model.safetensors. The tokenizer's
/// files are the caller's to copy.
///
///   save_bert("folder", loaded.model, loaded.config);          // AutoModelForSequenceClassification.from_pretrained
///   save_bert("folder", model, {config, {"neg", "pos"}});
#pragma once
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <vector>

#include <quern/io/hugging_face.hpp>

namespace quern::inline QUERN_ABI {

namespace detail {

template <class T>
void check_saved(const Bert<T>& m, const BertConfig& c) {
  const auto& words = m.embeddings.words.weight;
  require(words.shape() == Shape{c.vocabulary, c.hidden} && std::int64_t(m.blocks.size()) == c.layers,
          "save_bert: ", described("words", words), ", ", m.blocks.size(), " layers; the config says vocabulary ",
          c.vocabulary, ", hidden ", c.hidden, ", layers ", c.layers);
  require(m.blocks.empty() || m.blocks[0].attention.heads == c.heads, "save_bert: the config says ", c.heads, " heads");
}

template <class M>
void write_bert(const std::string& folder, const M& model, const HuggingFaceConfig& config, const char* architecture,
                bool prefixed) {
  check(::mkdir(folder.c_str(), 0777) == 0 || (errno == EEXIST && is_folder(folder)), folder,
        ": the folder cannot be made: ", detail::reason(errno));
  SafetensorsWriter writer;
  writer.note("format", "pt");
  walk_tensors(
      [&](const Path& path, const auto& x) {
        const std::string name = hugging_face_name(path.text());
        writer.add(prefixed && of_encoder(name) ? "bert." + name : name, x);
      },
      model);
  writer.save(folder + "/model.safetensors");
  write_json(folder + "/config.json", config_json(config, architecture));
}

}  // namespace detail

/// Opened by BertForSequenceClassification. The config must have a label for each class.
template <class T>
void save_bert(const std::string& folder, const BertClassifier<T>& model, const HuggingFaceConfig& config) {
  detail::check_saved(model.bert, config.model);
  require(std::int64_t(config.labels.size()) == classes_of(model), "save_bert: ", config.labels.size(),
          " labels, the model has ", classes_of(model), " classes");
  detail::write_bert(folder, model, config, "BertForSequenceClassification", true);
}
/// By BertModel.
template <class T>
void save_bert(const std::string& folder, const Bert<T>& model, const HuggingFaceConfig& config) {
  detail::check_saved(model, config.model);
  detail::write_bert(folder, model, config, "BertModel", false);
}
template <class T>
void save_bert(const std::string& folder, const BertSentence<T>& model, const HuggingFaceConfig& config) {
  detail::check_saved(model.bert, config.model);
  detail::write_bert(folder, model, config, "BertModel", false);
}
/// By BertForMaskedLM, which ties the decoder to the words' table by itself.
template <class T>
void save_bert(const std::string& folder, const BertMaskedLm<T>& model, const HuggingFaceConfig& config) {
  detail::check_saved(model.bert, config.model);
  detail::write_bert(folder, model, config, "BertForMaskedLM", true);
}

}  // namespace quern::inline QUERN_ABI
