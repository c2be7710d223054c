#include "pretrain_settings.hpp"

#include <cmath>
#include <filesystem>
#include <quern/io/hugging_face.hpp>
#include <quern/io/json.hpp>
#include <quern/text/clean_options.hpp>

#include "commands.hpp"
#include "from_config.hpp"
#include "reading.hpp"

using namespace quern;

namespace {

void must_be(bool ok, const char* option, const char* expected, const auto& got) {
  if (!ok) throw UsageError(text_of("--", option, ": expected ", expected, ", got ", got));
}

void check_sizes(const PretrainSettings& s) {
  for (const auto& [name, size] :
       {std::pair{"hidden", s.hidden}, std::pair{"layers", s.layers}, std::pair{"heads", s.heads},
        std::pair{"feed-forward", s.feed_forward}, std::pair{"positions", s.positions},
        std::pair{"vocabulary", s.vocabulary}, std::pair{"epochs", s.epochs}, std::pair{"batch", s.batch},
        std::pair{"tensorboard-steps", s.tensorboard_steps}})
    must_be(size >= 1 && size <= 1 << 24, name, "1 to 16777216", size);
  must_be(s.hidden % s.heads == 0, "hidden", "a multiple of --heads", s.hidden);
  must_be(s.max_tokens == 0 || s.max_tokens >= 3, "max-tokens", "0 or at least 3: [CLS], a piece and [SEP]",
          s.max_tokens);
  must_be(s.alphabet >= 0, "alphabet", "at least 0", s.alphabet);
  must_be(s.batch >= 2 || s.objective != "simcse", "batch", "at least 2: a sentence is told from others", s.batch);
  must_be(!s.from.empty() || s.max_tokens <= s.positions, "max-tokens", "at most --positions", s.max_tokens);
}

void check_numbers(const PretrainSettings& s) {
  const auto is_share = [](double x) { return x >= 0 && x < 1; };
  const auto is_positive = [](double x) { return x > 0 && std::isfinite(x); };
  must_be(is_positive(s.lr), "lr", "a number above 0", s.lr);
  must_be(is_positive(s.initializer_range) && s.initializer_range < 100, "initializer-range",
          "a number above 0 and below 100", s.initializer_range);
  must_be(is_positive(s.temperature), "temperature", "a number above 0", s.temperature);
  must_be(is_share(s.mask_rate) && s.mask_rate > 0, "mask-rate", "a number above 0 and below 1", s.mask_rate);
  for (const auto& [name, share] : {std::pair{"dropout", s.dropout}, std::pair{"dropout-after", s.dropout_after},
                                    std::pair{"warmup-share", s.warmup_share}, std::pair{"dev", s.dev}})
    must_be(is_share(share), name, "a number from 0 up to, not including, 1", share);
  for (const auto& [name, x] : {std::pair{"weight-decay", s.weight_decay}, std::pair{"clip", s.clip},
                                std::pair{"checkpoint-seconds", s.checkpoint_seconds}})
    must_be(x >= 0 && std::isfinite(x), name, "at least 0", x);
}

void check_names(const PretrainSettings& s) {
  must_be(s.objective == "mlm" || s.objective == "simcse", "objective", "mlm or simcse", s.objective);
  must_be(s.precision == "float" || s.precision == "bf16", "precision", "float or bf16", s.precision);
  must_be(s.weights == "float" || s.weights == "bf16", "weights", "float or bf16", s.weights);
  check_reading(s.format, s.encoding, false);
  try {
    s.clean == "auto" ? CleanOptions{} : clean_named(s.clean);
  } catch (const Error& e) { throw UsageError(std::string("--clean: ") + e.what()); }
}

void check_together(const PretrainSettings& s, const std::set<std::string>& given) {
  if (s.data.empty()) throw UsageError("pretrain: give a file of texts: quern pretrain TEXTS --out DIR");
  if (s.out.empty()) throw UsageError("pretrain: give the folder to write the model to: --out DIR");
  if (s.resume && s.force) throw UsageError("pretrain: --resume goes on with a run, --force begins anew; give one");
  if (!s.from.empty() && std::filesystem::weakly_canonical(s.from) == std::filesystem::weakly_canonical(s.out))
    throw UsageError("pretrain: --out is the folder of --from, which stays as it is; give another");
  const auto only = [&](const char* objective, std::initializer_list<const char*> names) {
    for (const char* name : names)
      if (given.contains(name) && s.objective != objective)
        throw UsageError(text_of("--", dashed(name), ": --objective ", s.objective, " has no such setting"));
  };
  if (!s.pair_column.empty() && s.pair_column == s.text_column)
    throw UsageError("--pair-column: is the --text-column itself; give the column of the partners");
  only("mlm", {"mask_rate", "whole_words"});
  only("simcse", {"temperature", "pair_column"});
  if (s.from.empty()) return;
  for (const char* name : {"vocabulary", "alphabet", "cased", "hidden", "layers", "heads", "feed_forward", "positions",
                           "initializer_range", "dropout_after"})
    if (given.contains(name))
      throw UsageError(text_of("--", dashed(name), ": the model of --from has its own; give one of the two"));
}

}  // namespace

void complete_settings(PretrainSettings& s, const std::set<std::string>& given) {
  const std::string path = s.out + "/pretrain.json";
  bool has_dropout = given.contains("dropout");
  if (s.resume && std::filesystem::exists(path)) {
    const auto config = read_json(path);
    check(config.is_object(), path, ": expected an object of settings");
    has_dropout |= apply_config(s, config, path, given, "pretrain").contains("dropout");
  }
  check_sizes(s);
  check_numbers(s);
  check_names(s);
  check_together(s, given);
  const bool alone = s.objective == "simcse" && s.pair_column.empty();
  if (alone) s.dev = 0;  // without dropout a sentence is equal to itself: there is nothing to measure
  const auto model = s.from.empty() ? BertConfig{.positions = s.positions} : detail::config_in(s.from).model;
  if (s.max_tokens == 0) s.max_tokens = model.positions;
  if (!s.from.empty() && !has_dropout) s.dropout = model.dropout;
  if (alone && s.dropout == 0)
    throw UsageError(
        "--dropout: without it a sentence and itself are one vector, and simcse without --pair-column learns nothing; "
        "give one above 0");
}
