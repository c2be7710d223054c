/// Needs nlohmann-json. What config.json of a Hugging Face BERT says, and the file that says it.
///
///   HuggingFaceConfig c = read_hugging_face_config("folder/config.json");
///   c.model.layers;  c.labels;                        // BertConfig; the classes in the order of the logits
///   write_json("folder/config.json", config_json(c, "BertForSequenceClassification"));
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include <quern/io/json.hpp>
#include <quern/models/bert.hpp>

namespace quern::inline QUERN_ABI {

struct HuggingFaceConfig {
  BertConfig model;
  std::vector<std::string> labels;  // id2label; without one "LABEL_0", "LABEL_1"
  std::string problem_type{};       // single_label_classification, multi_label_classification, regression, or empty
};

namespace detail {

/// The value under `key`; what Hugging Face takes where it is missing or null.
template <class T>
T json_value_or(const nlohmann::json& config, const std::string& key, const T& otherwise, const std::string& where) {
  if (!config.contains(key) || config[key].is_null()) return otherwise;
  return json_value<T>(config, key, where);
}

inline std::int64_t size_in(const nlohmann::json& config, const std::string& key, std::int64_t most,
                            const std::string& where, std::int64_t otherwise = 0) {
  const auto n = otherwise ? json_value_or<std::int64_t>(config, key, otherwise, where)
                           : json_value<std::int64_t>(config, key, where);
  check(n >= 1 && n <= most, where, ": '", key, "' is ", n, ", expected 1 to ", most);
  return n;
}
inline double probability_in(const nlohmann::json& config, const std::string& key, double otherwise,
                             const std::string& where) {
  const auto p = json_value_or<double>(config, key, otherwise, where);
  check(p >= 0 && p < 1, where, ": '", key, "' is ", p, ", expected a number from 0 up to, not including, 1");
  return p;
}

/// Only what is computed as Quern computes it.
inline void check_kind(const nlohmann::json& config, const std::string& where) {
  const auto expect = [&](const char* key, const auto& wanted, const char* why) {
    const auto got = json_value_or<std::remove_cvref_t<decltype(wanted)>>(config, key, wanted, where);
    check(got == wanted, where, ": '", key, "' is ", nlohmann::json(got).dump(), ", expected ",
          nlohmann::json(wanted).dump(), why);
  };
  expect("model_type", std::string("bert"), "; no other kind of model is read");
  expect("hidden_act", std::string("gelu"), ", the form with erf; no other activation is supported");
  expect("position_embedding_type", std::string("absolute"), "; relative positions are not supported");
  expect("is_decoder", false, "; a decoder is not supported");
  expect("add_cross_attention", false, "; cross-attention is not supported");
}

/// {"0": "neg", "1": "pos"} as a list.
inline std::vector<std::string> labels_in(const nlohmann::json& config, const std::string& where) {
  const bool named = config.contains("id2label") && !config["id2label"].is_null();
  const auto said = json_value_or<std::int64_t>(config, "num_labels", named ? 0 : 2, where);
  if (!named) {
    check(said >= 1 && said <= 1 << 20, where, ": 'num_labels' is ", said, ", expected 1 to ", 1 << 20);
    std::vector<std::string> labels;
    for (std::int64_t i = 0; i < said; ++i) labels.push_back("LABEL_" + std::to_string(i));
    return labels;
  }
  const auto names = json_value<std::map<std::string, std::string>>(config, "id2label", where);
  check(said == 0 || said == std::int64_t(names.size()), where, ": 'num_labels' is ", said, ", but 'id2label' has ",
        names.size(), " names");
  std::vector<std::string> labels;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto found = names.find(std::to_string(i));
    check(found != names.end(), where, ": 'id2label' has ", names.size(), " names, but none for ", i,
          "; expected 0 to ", names.size() - 1);
    labels.push_back(found->second);
  }
  check(!labels.empty(), where, ": 'id2label' is empty, expected at least one name");
  return labels;
}

}  // namespace detail

inline HuggingFaceConfig hugging_face_config(const nlohmann::json& json, const std::string& where) {
  check(json.is_object(), where, ": is ", json.type_name(), ", expected an object");
  detail::check_kind(json, where);
  constexpr std::int64_t most = std::int64_t(1) << 31;
  HuggingFaceConfig c;
  BertConfig& m = c.model;
  m.vocabulary = detail::size_in(json, "vocab_size", most, where);
  m.hidden = detail::size_in(json, "hidden_size", most, where);
  m.layers = detail::size_in(json, "num_hidden_layers", 1000, where);
  m.heads = detail::size_in(json, "num_attention_heads", m.hidden, where);
  m.intermediate = detail::size_in(json, "intermediate_size", most, where);
  m.positions = detail::size_in(json, "max_position_embeddings", most, where, 512);
  m.types = detail::size_in(json, "type_vocab_size", most, where, 2);
  check(m.hidden % m.heads == 0, where, ": 'hidden_size' is ", m.hidden, ", expected a multiple of ",
        "'num_attention_heads', ", m.heads);
  m.pad_token = detail::json_value_or<std::int64_t>(json, "pad_token_id", 0, where);
  m.dropout = detail::probability_in(json, "hidden_dropout_prob", 0.1, where);
  m.attention_dropout = detail::probability_in(json, "attention_probs_dropout_prob", 0.1, where);
  m.classifier_dropout = detail::probability_in(json, "classifier_dropout", m.dropout, where);
  m.norm_eps = detail::json_value_or<double>(json, "layer_norm_eps", 1e-12, where);
  m.initial_deviation = detail::json_value_or<double>(json, "initializer_range", 0.02, where);
  check(m.norm_eps >= 0 && m.norm_eps < 1 && m.initial_deviation >= 0 && m.initial_deviation < 100, where,
        ": 'layer_norm_eps' is ", m.norm_eps, ", 'initializer_range' ", m.initial_deviation,
        "; expected small numbers that are not negative");
  c.labels = detail::labels_in(json, where);
  m.classes = std::int64_t(c.labels.size());
  c.problem_type = detail::json_value_or<std::string>(json, "problem_type", "", where);
  return c;
}

inline HuggingFaceConfig read_hugging_face_config(const std::string& path) {
  return hugging_face_config(read_json(path), path);
}

/// `architecture`: the class of transformers that reads the weights.
inline nlohmann::ordered_json config_json(const HuggingFaceConfig& c, const std::string& architecture) {
  const BertConfig& m = c.model;
  nlohmann::ordered_json json = {{"architectures", {architecture}},
                                 {"model_type", "bert"},
                                 {"vocab_size", m.vocabulary},
                                 {"hidden_size", m.hidden},
                                 {"num_hidden_layers", m.layers},
                                 {"num_attention_heads", m.heads},
                                 {"intermediate_size", m.intermediate},
                                 {"hidden_act", "gelu"},
                                 {"hidden_dropout_prob", m.dropout},
                                 {"attention_probs_dropout_prob", m.attention_dropout},
                                 {"classifier_dropout", m.classifier_dropout},
                                 {"max_position_embeddings", m.positions},
                                 {"position_embedding_type", "absolute"},
                                 {"type_vocab_size", m.types},
                                 {"initializer_range", m.initial_deviation},
                                 {"layer_norm_eps", m.norm_eps},
                                 {"pad_token_id", m.pad_token}};
  auto names = nlohmann::ordered_json::object(), numbers = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < c.labels.size(); ++i) names[std::to_string(i)] = c.labels[i], numbers[c.labels[i]] = i;
  if (!c.labels.empty()) json["id2label"] = names, json["label2id"] = numbers;
  if (!c.problem_type.empty()) json["problem_type"] = c.problem_type;
  return json;
}

}  // namespace quern::inline QUERN_ABI
