#include "settings.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <quern/data/class_weights.hpp>
#include <quern/io/json.hpp>

#include "commands.hpp"
#include "from_config.hpp"
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

constexpr const char* names_of_models = "text_cnn, lstm, gru, transformer or bert";
bool is_model(const std::string& name) {
  for (const char* known : {"text_cnn", "lstm", "gru", "transformer", "bert"})
    if (name == known) return true;
  return false;
}

void check_numbers(const TrainSettings& s) {
  need(is_model(s.model), "model", names_of_models, s.model);  // the others' ranges may depend on it
  const auto is_share = [](double x) { return x >= 0 && x < 1; };
  const auto not_negative = [](double x) { return x >= 0 && std::isfinite(x); };
  need_at_least("epochs", s.epochs, 1), need_at_least("batch", s.batch, 1), need_at_least("patience", s.patience, 1);
  need_at_least("embedding", s.embedding, 1), need_at_least("filters", s.filters, 1);
  need(s.embedding <= 1 << 20, "embedding", "at most 1048576", s.embedding);  // what load_run takes
  need(s.filters <= 1 << 20, "filters", "at most 1048576", s.filters);
  for (const auto& [name, size] : {std::pair{"hidden", s.hidden}, std::pair{"layers", s.layers},
                                   std::pair{"heads", s.heads}, std::pair{"feed-forward", s.feed_forward}})
    need_at_least(name, size, 1), need(size <= 1 << 20, name, "at most 1048576", size);
  need(s.hidden % s.heads == 0 || s.model != "transformer", "hidden", "a multiple of --heads", s.hidden);
  need(s.layer_decay > 0 && s.layer_decay <= 1, "layer-decay", "a number above 0, up to 1", s.layer_decay);
  need(is_share(s.warmup_share), "warmup-share", "a number from 0 up to, not including, 1", s.warmup_share);
  need_at_least("min-count", s.min_count, 1), need_at_least("max-tokens", s.max_tokens, 0);
  need_at_least("warmup", s.warmup, 0);
  need(s.folds == 0 || s.folds >= 2, "folds", "0 or at least 2", s.folds);
  need(!s.widths.empty(), "widths", "at least one", "none");
  for (const auto width : s.widths) need(width >= 1 && width <= 1000, "widths", "numbers from 1 to 1000", width);
  need(s.lr > 0 && std::isfinite(s.lr), "lr", "a number above 0", s.lr);
  need(is_share(s.dev), "dev", "a fraction from 0 up to, not including, 1", s.dev);
  need(is_share(s.dropout), "dropout", "a number from 0 up to, not including, 1", s.dropout);
  need_at_least("positions", s.positions, 0);
  need(s.positions == 0 || (s.max_tokens > 0 && s.max_tokens <= s.positions), "positions", "0 or at least --max-tokens",
       s.positions);
  need(is_share(s.out_dropout), "out-dropout", "a number from 0 up to, not including, 1", s.out_dropout);
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
  need(s.tokenizer == "words" || s.tokenizer == "characters", "tokenizer", "words or characters", s.tokenizer);
  need(s.stop_on == "loss" || s.stop_on == "macro_f1", "stop-on", "loss or macro_f1", s.stop_on);
  need(s.precision == "float" || s.precision == "bf16", "precision", "float or bf16", s.precision);
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
  if (s.model == "bert" && s.from.empty())
    throw UsageError("train: --model bert is fine-tuned; give the folder that Hugging Face wrote: --from FOLDER");
  if (!s.from.empty() && std::filesystem::weakly_canonical(s.from) == std::filesystem::weakly_canonical(s.out))
    throw UsageError("train: --out is the folder of --from, which stays as it is; give another");
  if (s.resume && s.out.empty()) throw UsageError("train: --resume needs the folder of the run: --out DIR");
  if (s.resume && s.force) throw UsageError("train: --resume goes on with a run, --force begins anew; give one");
}

/// The settings in `names` must be some that the model has: one that would do nothing is a mistake.
void check_belonging(const TrainSettings& s, const std::set<std::string>& from_config, const std::string& config,
                     const std::set<std::string>& given) {
  TrainSettings::visit(
      [&](const std::string& name, const auto&, const char*, const char* models) {
        if (s.has(models)) return;
        const auto problem = quern::text_of("--model ", s.model, " has no such setting; it is one of ", models);
        if (given.contains(name)) throw UsageError("--" + dashed(name) + ": " + problem);
        quern::check(!from_config.contains(name), config, ": '", name, "': ", problem);
      },
      s);
}

/// Throws UsageError for a value of the command line that is out of range, Error for one of the file `config`.
void check_settings(const TrainSettings& s, const std::set<std::string>& from_config, const std::string& config,
                    const std::set<std::string>& given) {
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
  check_belonging(s, from_config, config, given);
  check_together(s);
}

}  // namespace

bool TrainSettings::has(std::string_view models) const {
  if (models.empty()) return true;
  for (std::size_t begin = 0; begin < models.size();) {
    const std::size_t end = std::min(models.find(' ', begin), models.size());
    if (models.substr(begin, end - begin) == model) return true;
    begin = end + 1;
  }
  return false;
}

TrainSettings defaults_of(const std::string& model) {
  TrainSettings s;
  s.model = model;
  if (model == "lstm" || model == "gru") s.embedding = 300, s.word_dropout = 0.5;
  if (model == "transformer")
    s.layers = 2, s.dropout = 0.1, s.word_dropout = 0.1, s.max_tokens = 512, s.clip = 1, s.warmup_share = 0.1;
  // Devlin et al. (2019), appendix A.3: batches of 16 or 32, rates of 2e-5 to 5e-5, few epochs; all of them are run.
  if (model == "bert")
    s.lr = 3e-5, s.batch = 32, s.epochs = 5, s.patience = 5, s.dev = 0.2, s.max_tokens = 512, s.clip = 1,
    s.weight_decay = 0.01, s.warmup_share = 0.1, s.class_weights = "none";
  return s;
}

std::string help_of_defaults() {
  const auto json_of = [](const TrainSettings& s, bool own) {
    nlohmann::ordered_json json;
    TrainSettings::visit(
        [&](const char* name, const auto& value, const char*, const char* models) {
          if (!own || s.has(models)) json[name] = value;
        },
        s);
    return json;
  };
  const auto usual = json_of({}, false);
  std::string lines;
  for (const std::string model : {"lstm", "gru", "transformer", "bert"}) {
    std::string line;
    const auto own = json_of(defaults_of(model), true);
    for (const auto& [name, value] : own.items())
      if (name != "model" && usual[name] != value)
        line += " --" + dashed(name) + " " + (value.is_string() ? value.get<std::string>() : value.dump());
    if (!line.empty()) lines += "  " + model + ":" + line + "\n";
  }
  return lines;
}

void complete_settings(TrainSettings& s, const std::set<std::string>& given) {
  std::string path = s.config;
  for (const char* name : {"/quern.json", "/config.json"})
    if (path.empty() && s.resume && std::filesystem::exists(s.out + name)) path = s.out + name;
  const nlohmann::json config = path.empty() ? nlohmann::json::object() : quern::read_json(path);
  quern::check(config.is_object(), path, ": expected an object of settings");
  if (!given.contains("model") && config.contains("model"))
    s.model = quern::json_value<std::string>(config, "model", path);
  if (is_model(s.model)) {
    const nlohmann::json defaults = config_of(defaults_of(s.model));
    apply_config(s, defaults, "", given, "train");
  }
  const auto from_config = apply_config(s, config, path, given, "train");
  check_settings(s, from_config, path, given);
}

nlohmann::ordered_json config_of(const TrainSettings& settings) {
  nlohmann::ordered_json config;
  TrainSettings::visit(
      [&](const char* name, const auto& value, const char*, const char* models) {
        if (settings.has(models)) config[name] = value;
      },
      settings);
  make_absolute(config, {"data", "from", "vectors", "synonyms"});
  return config;
}
