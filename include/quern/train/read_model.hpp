/// Needs nlohmann-json. The model of a run folder: its sizes from config.json, its weights from model.safetensors.
///
///   const ModelReader reader{"text_cnn", read_model<TextCnnConfig, make_text_cnn<float>>};
///   auto model = reader.read(config, "run/config.json", weights, vocabulary.size(), 2);
///
/// A reader holds the code of its model alone: who reads one kind of model compiles one.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <quern/io/safetensors.hpp>
#include <quern/train/classifier.hpp>

namespace quern::inline QUERN_ABI {

namespace detail {

inline constexpr std::int64_t largest_size = 1 << 20;  // of what config.json may ask for

inline void check_model_setting(const char* name, std::int64_t size, const std::string& where) {
  const std::int64_t least = std::string_view(name) == "positions" ? 0 : 1;  // a model may do without a table of them
  check(size >= least && size <= largest_size, where, ": '", name, "' is ", size, ", expected ", least, " to ",
        largest_size);
}
inline void check_model_setting(const char* name, const std::vector<std::int64_t>& sizes, const std::string& where) {
  check(!sizes.empty(), where, ": '", name, "' is empty, expected at least one");
  for (const auto size : sizes) check_model_setting(name, size, where);
}
inline void check_model_setting(const char* name, double p, const std::string& where) {
  check(p >= 0 && p < 1, where, ": '", name, "' is ", p, ", expected a number from 0 up to, not including, 1");
}
inline void check_model_setting(const char*, bool, const std::string&) {}

}  // namespace detail

/// The sizes of a model as the JSON has them, all but those of vocabulary and classes.
template <class Config>
Config model_config(const nlohmann::json& json, const std::string& where) {
  Config config;
  Config::visit(
      [&](const char* name, auto& value) {
        value = json_value<std::remove_reference_t<decltype(value)>>(json, name, where);
        detail::check_model_setting(name, value, where);
      },
      config);
  return config;
}

/// Throws unless the file holds as many numbers as a model of these sizes has: a damaged config.json must not make us
/// ask for more memory than the weights need.
template <class Config>
void check_sizes(const Config& c, double expected, const SafetensorsFile& weights, const std::string& config) {
  double found = 0;
  for (const auto& [name, entry] : weights.tensors()) found += double(entry.end - entry.begin) / sizeof(float);
  check(expected == found, weights.path(), ": holds ", std::int64_t(found), " numbers, but the model of ", config,
        " with ", c.vocabulary, " tokens and ", c.classes, " classes has ", expected);
}

/// The numbers of a model of these sizes.
template <class Config>
double parameters_of(const Config& config) {
  return config.parameters();
}

/// Makes a model of the sizes in config.json and fills it. `make(config, seed)` is the function that makes one, `count`
/// what it is expected to hold: none of the file's sizes is believed before.
template <class Config, auto make, double (*count)(const Config&) = parameters_of<Config>>
std::shared_ptr<const Classifier> read_model(const nlohmann::json& json, const std::string& where,
                                             const SafetensorsFile& weights, std::int64_t vocabulary,
                                             std::int64_t classes) {
  auto config = model_config<Config>(json, where);
  config.vocabulary = vocabulary, config.classes = classes;
  check_sizes(config, count(config), weights, where);
  auto model = make(config, 0);
  load_safetensors(model, weights);
  return classifier(std::move(model));
}

struct ModelReader {
  const char* name;  // what config.json calls the model
  std::shared_ptr<const Classifier> (*read)(const nlohmann::json& config, const std::string& where,
                                            const SafetensorsFile& weights, std::int64_t vocabulary,
                                            std::int64_t classes);
};

}  // namespace quern::inline QUERN_ABI
