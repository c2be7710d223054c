/// Needs nlohmann-json. A BERT from a Hugging Face folder, config.json and model.safetensors, as it is.
///
///   auto bert = load_bert_classifier("folder");                                  // .model, .labels, .config
///   auto bert = load_bert_classifier("folder", {.new_classifier = {"neg", "pos"}, .seed = 1});   // to be fine-tuned
///   auto encoder = load_bert("folder");  auto words = load_bert_masked_lm("folder");
///
/// Weights may be F32, F16 or BF16, in one file or in shards, with and without the names' "bert." and with gamma and
/// beta. One Error lists all names that are missing, unexpected or of another shape. Heads of other tasks are left out
/// and named in `unused`; what the folder need not have (see the functions) is made anew and named in `initialised`.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <quern/io/hugging_face_config.hpp>
#include <quern/io/hugging_face_weights.hpp>

namespace quern::inline QUERN_ABI {

template <class M>
struct LoadedBert {
  M model;
  HuggingFaceConfig config;
  std::vector<std::string> initialised{}, unused{};  // by the names of Hugging Face
};

struct LoadBertOptions {
  std::vector<std::string> new_classifier{};  // a new last layer for these labels, whatever the folder has
  std::uint64_t seed = 0;                     // of what is made anew
};

/// The name that transformers has for a parameter, without the "bert." before those of the encoder:
/// "bert.blocks.0.attention.out.weight" → "encoder.layer.0.attention.output.dense.weight".
inline std::string hugging_face_name(std::string path) {
  const auto replace_front = [&](std::size_t at, std::string_view ours, std::string_view theirs) {
    if (path.compare(at, ours.size(), ours) != 0) return false;
    path.replace(at, ours.size(), theirs);
    return true;
  };
  const bool of_encoder = replace_front(0, "bert.", "");
  if (replace_front(0, "blocks.", "encoder.layer.")) {
    const std::size_t at = path.find('.', std::string_view("encoder.layer.").size()) + 1;
    for (const auto& [ours, theirs] : {std::pair{"attention.out.", "attention.output.dense."},
                                       {"attention.", "attention.self."},
                                       {"attention_norm.", "attention.output.LayerNorm."},
                                       {"intermediate.", "intermediate.dense."},
                                       {"output.", "output.dense."},
                                       {"output_norm.", "output.LayerNorm."}})
      if (replace_front(at, ours, theirs)) break;
    return path;
  }
  for (const auto& [ours, theirs] : {std::pair{"embeddings.words.", "embeddings.word_embeddings."},
                                     {"embeddings.positions.", "embeddings.position_embeddings."},
                                     {"embeddings.types.", "embeddings.token_type_embeddings."},
                                     {"embeddings.norm.", "embeddings.LayerNorm."},
                                     {"pooler.", "pooler.dense."}})
    if (replace_front(0, ours, theirs)) return path;
  if (of_encoder) return path;
  for (const auto& [ours, theirs] : {std::pair{"transform.", "cls.predictions.transform.dense."},
                                     {"norm.", "cls.predictions.transform.LayerNorm."},
                                     {"bias", "cls.predictions.bias"}})
    if (replace_front(0, ours, theirs)) return path;
  return path;  // classifier.weight and classifier.bias
}

namespace detail {

/// Whether transformers puts "bert." before this name in the file of a model with a head.
inline bool of_encoder(const std::string& name) {
  return name.starts_with("embeddings.") || name.starts_with("encoder.") || name.starts_with("pooler.");
}

/// Names that a folder may hold beside those of the model: heads of other tasks, and a list of numbers that old
/// versions saved.
inline bool may_be_unused(const std::string& name) {
  for (const char* head : {"cls.", "classifier.", "qa_outputs.", "pooler.", "embeddings.position_ids"})
    if (name.starts_with(head)) return true;
  return false;
}

inline HuggingFaceConfig config_in(const std::string& folder) {
  check(is_folder(folder), folder, ": is no folder; expected one with config.json and model.safetensors");
  return read_hugging_face_config(folder + "/config.json");
}

/// A damaged config.json must not make us ask for much more memory than the weights need.
inline void check_affordable(const BertConfig& config, const HuggingFaceWeights& weights) {
  const double asked = config.parameters(), there = weights.elements();
  check(asked <= 2 * there + 1e5, weights.folder(), ": config.json describes an encoder of ", asked,
        " numbers, the weights hold ", there, "; are they of two models?");
}

/// Fills `model` from the folder. `may_be_new(name)`: made anew where the folder has it not, or always where
/// `always_new(name)`.
template <class M>
void fill_from(LoadedBert<M>& loaded, const HuggingFaceWeights& weights, const LoadBertOptions& options,
               bool (*may_be_new)(const std::string&)) {
  const bool new_head = !options.new_classifier.empty();
  const auto shown = [&](const std::string& name) {
    return weights.prefixed() && of_encoder(name) ? "bert." + name : name;
  };
  const auto is_new = [&](const std::string& name) {
    return new_head && (name.starts_with("classifier.") || (may_be_new(name) && !weights.has(name)));
  };
  std::string problems;
  std::map<std::string, bool> wanted;
  walk_tensors(
      [&](const Path& path, const auto& x) {
        const std::string name = hugging_face_name(path.text());
        if (is_new(name)) return loaded.initialised.push_back(shown(name));
        wanted[name] = true;
        if (!weights.has(name)) {
          problems += text_of("\n  ", shown(name), ": missing, expected ", x.shape());
        } else if (const auto why = weights.misfit(name, x); !why.empty()) {
          problems += text_of("\n  ", weights.name_in_file(name), ": ", why);
        }
      },
      loaded.model);
  for (const auto& name : weights.names()) {
    if (wanted.contains(name)) continue;
    if (!may_be_unused(name)) problems += text_of("\n  ", weights.name_in_file(name), ": unexpected");
    loaded.unused.push_back(weights.name_in_file(name));
  }
  check(problems.empty(), weights.folder(), ": the weights do not fit config.json:", problems,
        problems.find("classifier.") == std::string::npos
            ? ""
            : "\n(for a new last layer, to be trained: LoadBertOptions::new_classifier)");
  walk_tensors(
      [&](const Path& path, auto& x) {
        const std::string name = hugging_face_name(path.text());
        if (!is_new(name)) weights.read(name, x);
      },
      loaded.model);
  initialise_bert(loaded.model, options.seed, loaded.config.model.initial_deviation,
                  [&](const std::string& path) { return is_new(hugging_face_name(path)); });
}

inline bool never(const std::string&) { return false; }
inline bool of_pooler(const std::string& name) { return name.starts_with("pooler."); }

}  // namespace detail

/// A classifier. With `new_classifier` the folder may be that of any BERT: its last layer is made anew, and a pooler
/// where there is none.
inline LoadedBert<BertClassifier<float>> load_bert_classifier(const std::string& folder,
                                                              const LoadBertOptions& options = {}) {
  auto config = detail::config_in(folder);
  const HuggingFaceWeights weights(folder);
  detail::check_affordable(config.model, weights);
  if (!options.new_classifier.empty()) config.labels = options.new_classifier, config.problem_type.clear();
  config.model.classes = std::int64_t(config.labels.size());
  LoadedBert<BertClassifier<float>> loaded{{detail::bert_of_zeros<float>(config.model, true),
                                            {config.model.hidden, config.model.classes},
                                            config.model.classifier_dropout},
                                           config};
  detail::fill_from(loaded, weights, options, detail::of_pooler);
  return loaded;
}

/// The encoder, with its pooler where the folder has one.
inline LoadedBert<Bert<float>> load_bert(const std::string& folder) {
  const auto config = detail::config_in(folder);
  const HuggingFaceWeights weights(folder);
  detail::check_affordable(config.model, weights);
  const bool pooler = weights.has("pooler.dense.weight") || weights.has("pooler.dense.bias");
  LoadedBert<Bert<float>> loaded{detail::bert_of_zeros<float>(config.model, pooler), config};
  detail::fill_from(loaded, weights, {}, detail::never);
  return loaded;
}

/// The encoder for sentence embeddings: without its pooler.
inline LoadedBert<BertSentence<float>> load_bert_sentence(const std::string& folder) {
  const auto config = detail::config_in(folder);
  const HuggingFaceWeights weights(folder);
  detail::check_affordable(config.model, weights);
  LoadedBert<BertSentence<float>> loaded{{detail::bert_of_zeros<float>(config.model, false)}, config};
  detail::fill_from(loaded, weights, {}, detail::never);
  return loaded;
}

/// The masked language model. Its decoder is the words' table: a folder whose decoder is another is refused.
inline LoadedBert<BertMaskedLm<float>> load_bert_masked_lm(const std::string& folder) {
  const auto config = detail::config_in(folder);
  const HuggingFaceWeights weights(folder);
  detail::check_affordable(config.model, weights);
  const BertConfig& c = config.model;
  LoadedBert<BertMaskedLm<float>> loaded{{detail::bert_of_zeros<float>(c, false),
                                          {c.hidden, c.hidden},
                                          nn::LayerNorm<float>(c.hidden, c.norm_eps),
                                          Tensor<float, 1>(c.vocabulary)},
                                         config};
  detail::fill_from(loaded, weights, {}, detail::never);
  const auto expect_tied = [&](const char* name, auto& to) {
    if (!weights.has(name)) return;
    auto own = empty_like(to);
    weights.read(name, own);
    check(same_bits(own, to), folder, ": ", name,
          " differs from what it is tied to; an untied decoder is not supported");
  };
  expect_tied("cls.predictions.decoder.weight", loaded.model.bert.embeddings.words.weight);
  expect_tied("cls.predictions.decoder.bias", loaded.model.bias);
  return loaded;
}

}  // namespace quern::inline QUERN_ABI
