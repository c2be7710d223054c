#include "settings.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <quern/data/class_weights.hpp>
#include <quern/io/json.hpp>

#include "commands.hpp"
#include "reading.hpp"

namespace {

/// A value out of range. Whether it came from the command line or from a file, only the catcher knows.
struct BadValue {
  std::string option, problem;
};

void need(bool ok, const char* option, const char* expected, const auto& got) {
  if (!ok) throw BadValue{option, quern::text_of("expected ", expected, ", got ", got)};
}

void need_at_least(const char* option, std::int64_t value, std::int64_t least) {
  if (value < least) throw BadValue{option, quern::text_of("expected at least ", least, ", got ", value)};
}

void check_numbers(const TrainSettings& s) {
  const auto is_share = [](double x) { return x >= 0 && x < 1; };
  const auto not_negative = [](double x) { return x >= 0 && std::isfinite(x); };
  need_at_least("epochs", s.epochs, 1), need_at_least("batch", s.batch, 1), need_at_least("patience", s.patience, 1);
  need_at_least("embedding", s.embedding, 1), need_at_least("filters", s.filters, 1);
  need(s.embedding <= 1 << 20, "embedding", "at most 1048576", s.embedding);  // what load_run takes
  need(s.filters <= 1 << 20, "filters", "at most 1048576", s.filters);
  need_at_least("min-count", s.min_count, 1), need_at_least("max-tokens", s.max_tokens, 0);
  need_at_least("warmup", s.warmup, 0);
  need(s.folds == 0 || s.folds >= 2, "folds", "0 or at least 2", s.folds);
  need(!s.widths.empty(), "widths", "at least one", "none");
  for (const auto width : s.widths) need(width >= 1 && width <= 1000, "widths", "numbers from 1 to 1000", width);
  need(s.lr > 0 && std::isfinite(s.lr), "lr", "a number above 0", s.lr);
  need(is_share(s.dev), "dev", "a fraction from 0 up to, not including, 1", s.dev);
  need(is_share(s.dropout), "dropout", "a number from 0 up to, not including, 1", s.dropout);
  need(is_share(s.word_dropout), "word-dropout", "a number from 0 up to, not including, 1", s.word_dropout);
  need(is_share(s.label_smoothing), "label-smoothing", "a number from 0 up to, not including, 1", s.label_smoothing);
  need(not_negative(s.weight_decay), "weight-decay", "at least 0", s.weight_decay);
  need(not_negative(s.clip), "clip", "at least 0", s.clip);
  need(s.epsilon > 0 && std::isfinite(s.epsilon), "epsilon", "a number above 0", s.epsilon);
  need(s.augment >= 0 && s.augment < 4096, "augment", "0 to 4095", s.augment);
  need(s.augment_rate > 0 && s.augment_rate <= 1, "augment-rate", "a number above 0, up to 1", s.augment_rate);
  need_at_least("attack-steps", s.attack_steps, 1);
  need(not_negative(s.attack_step_size), "attack-step-size", "at least 0", s.attack_step_size);
  need_at_least("tensorboard-steps", s.tensorboard_steps, 1);
  need(s.checkpoint_seconds >= 0, "checkpoint-seconds", "at least 0", s.checkpoint_seconds);
}

void check_names(const TrainSettings& s) {
  need(s.model == "text_cnn", "model", "text_cnn", s.model);
  need(s.tokenizer == "words" || s.tokenizer == "characters", "tokenizer", "words or characters", s.tokenizer);
  need(s.stop_on == "loss" || s.stop_on == "macro_f1", "stop-on", "loss or macro_f1", s.stop_on);
  need(s.adversarial == "none" || s.adversarial == "fgm" || s.adversarial == "pgd", "adversarial", "none, fgm or pgd",
       s.adversarial);
}

/// As check_names, for names that the library knows.
void check_names_of_library(const TrainSettings& s) {
  const auto known = [](const char* option, auto&& look) {
    try {
      look();
    } catch (const quern::Error& e) { throw BadValue{option, e.what()}; }
  };
  known("clean", [&] { s.clean == "auto" ? quern::CleanOptions{} : quern::clean_named(s.clean); });
  known("class-weights", [&] { quern::class_weighting_named(s.class_weights); });
  check_reading(s.format, s.encoding, true);
}

/// Settings that do not go together.
void check_together(const TrainSettings& s) {
  if (s.data.empty()) throw UsageError("train: give the data, a file or a folder: quern train DATA --out DIR");
  if (s.out.empty() && s.folds == 0) throw UsageError("train: give the folder to write the model to: --out DIR");
  if (s.static_vectors && s.vectors.empty())
    throw UsageError("train: --static keeps given vectors as they are; give them with --vectors FILE");
  if (!s.synonyms.empty() && s.augment == 0)
    throw UsageError("train: --synonyms is used in the changed copies of --augment N; give both");
  if (s.resume && s.out.empty()) throw UsageError("train: --resume needs the folder of the run: --out DIR");
  if (s.resume && s.force) throw UsageError("train: --resume goes on with a run, --force begins anew; give one");
}

/// Takes what the file says for every setting that is not in `given`; gives the names of those.
std::set<std::string> apply_config(TrainSettings& settings, const std::string& path,
                                   const std::set<std::string>& given) {
  const nlohmann::json config = quern::read_json(path);
  quern::check(config.is_object(), path, ": expected an object of settings");
  std::set<std::string> known, taken;
  TrainSettings::visit(
      [&](const char* name, auto& value, const char*) {
        known.insert(name);
        if (!config.contains(name) || given.contains(name)) return;
        taken.insert(name);
        value = quern::json_value<std::remove_reference_t<decltype(value)>>(config, name, path);
      },
      settings);
  for (const auto& [name, value] : config.items())
    quern::check(known.contains(name), path, ": '", name, "' is no setting of quern train");
  return taken;
}

/// Throws UsageError for a value of the command line that is out of range, Error for one of the file `config`.
void check_settings(const TrainSettings& s, const std::set<std::string>& from_config, const std::string& config) {
  try {
    check_numbers(s);
    check_names(s);
    check_names_of_library(s);
  } catch (const BadValue& bad) {
    std::string name = bad.option;
    std::replace(name.begin(), name.end(), '-', '_');
    quern::check(!from_config.contains(name), config, ": '", name, "': ", bad.problem);
    throw UsageError("--" + bad.option + ": " + bad.problem);
  }
  check_together(s);
}

}  // namespace

void complete_settings(TrainSettings& s, const std::set<std::string>& given) {
  std::string config = s.config;
  if (config.empty() && s.resume && std::filesystem::exists(s.out + "/config.json")) config = s.out + "/config.json";
  const auto from_config = config.empty() ? std::set<std::string>() : apply_config(s, config, given);
  check_settings(s, from_config, config);
}

nlohmann::ordered_json config_of(const TrainSettings& settings) {
  nlohmann::ordered_json config;
  const auto absolute = [](const std::string& path) {
    return path.empty() ? path : std::filesystem::absolute(path).lexically_normal().string();
  };
  TrainSettings::visit([&](const char* name, const auto& value, const char*) { config[name] = value; }, settings);
  config["data"] = absolute(settings.data), config["vectors"] = absolute(settings.vectors);
  config["synonyms"] = absolute(settings.synonyms);
  return config;
}
