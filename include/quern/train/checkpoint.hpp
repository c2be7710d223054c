/// Needs nlohmann-json. Everything a training needs to go on bit for bit after a crash, in one safetensors file: the
/// model, Adam's moments, the best weights so far, and the position. It is written whole or not at all.
///
///   save_checkpoint("run/checkpoint.safetensors", model, adam, best, state, identity);
///   load_checkpoint("run/checkpoint.safetensors", model, adam, best, state, identity);
///
/// `identity` is what must be the same: options and a hash of the data. A checkpoint of another run is refused, and the
/// message says what differs.
#pragma once
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include <quern/data/encode.hpp>
#include <quern/data/split.hpp>
#include <quern/io/safetensors.hpp>
#include <quern/train/fingerprint.hpp>
#include <quern/train/options.hpp>

namespace quern::inline QUERN_ABI {

/// Where a training is, between two batches.
struct TrainState {
  std::int64_t epoch = 0, batch = 0, step = 0;     // the next ones, from 0
  double loss_sum = 0;                             // of this epoch: Σ loss · texts
  std::int64_t loss_texts = 0, trained_texts = 0;  // of this epoch; of all
  double seconds = 0, epoch_seconds = 0;
  EarlyStopping stopping;
  std::vector<EpochReport> history;
};

inline std::string fingerprint_of(const Encoded& texts, const Split& split) {
  Fingerprint print;
  print.add<std::int32_t>(texts.ids), print.add<std::int64_t>(texts.offsets), print.add<std::int32_t>(texts.labels);
  if (!texts.types.empty()) print.add<std::int32_t>(texts.types);
  print.add<std::int64_t>(split.train), print.add<std::int64_t>(split.held);
  return print.text();
}

namespace detail {

inline nlohmann::json state_json(const TrainState& s) {
  nlohmann::json history = nlohmann::json::array();
  for (const auto& e : s.history)
    history.push_back({e.train_loss, e.dev_loss, e.dev_accuracy, e.dev_macro_f1, e.seconds});
  return {{"epoch", s.epoch},
          {"batch", s.batch},
          {"step", s.step},
          {"loss_sum", s.loss_sum},
          {"loss_texts", s.loss_texts},
          {"trained_texts", s.trained_texts},
          {"seconds", s.seconds},
          {"epoch_seconds", s.epoch_seconds},
          {"best_epoch", s.stopping.best_epoch},
          {"best", s.stopping.best},
          {"history", history}};
}

/// Fills the numbers of `s`; what to stop on and the patience are the caller's.
inline void read_state(const nlohmann::json& json, TrainState& s, const std::string& where) {
  const auto get = [&](const char* key, auto& value) {
    value = json_value<std::remove_reference_t<decltype(value)>>(json, key, where);
  };
  get("epoch", s.epoch), get("batch", s.batch), get("step", s.step);
  get("loss_sum", s.loss_sum), get("loss_texts", s.loss_texts), get("trained_texts", s.trained_texts);
  get("seconds", s.seconds), get("epoch_seconds", s.epoch_seconds);
  get("best_epoch", s.stopping.best_epoch), get("best", s.stopping.best);
  std::vector<std::vector<double>> history;
  get("history", history);
  s.history.clear();
  for (const auto& e : history) {
    check(e.size() == 5, where, ": an epoch of the history has ", e.size(), " numbers, expected 5");
    s.history.push_back({e[0], e[1], e[2], e[3], e[4]});
  }
  check(s.epoch >= 0 && s.batch >= 0 && s.step >= 0 && s.stopping.best_epoch < s.epoch &&
            std::int64_t(s.history.size()) == s.epoch,
        where, ": its position is not possible: epoch ", s.epoch, ", batch ", s.batch, ", step ", s.step,
        ", best epoch ", s.stopping.best_epoch, ", ", s.history.size(), " epochs in the history");
}

/// Every key in which the two differ, with both values.
inline std::string differences(const nlohmann::json& then, const nlohmann::json& now) {
  const nlohmann::json a = then.flatten(), b = now.flatten();
  std::string out;
  const auto text = [](const nlohmann::json& j, const std::string& key) {
    return j.contains(key) ? j[key].dump() : std::string("absent");
  };
  const auto note = [&](const std::string& key) {
    out += "\n  " + key.substr(1) + ": then " + text(a, key) + ", now " + text(b, key);
  };
  for (const auto& [key, value] : a.items())
    if (!b.contains(key) || b[key] != value) note(key);
  for (const auto& [key, value] : b.items())
    if (!a.contains(key)) note(key);
  return out;
}

inline constexpr const char* checkpoint_format = "quern checkpoint 1";

}  // namespace detail

/// `best` is stored where state.stopping has a best epoch.
template <class M, class Optimizer>
void save_checkpoint(const std::string& path, const M& model, const Optimizer& adam, const M& best,
                     const TrainState& state, const nlohmann::json& identity) {
  SafetensorsWriter writer;
  writer.note("format", detail::checkpoint_format);
  writer.note("identity", identity.dump());
  auto position = detail::state_json(state);
  position["optimizer_steps"] = adam.steps;
  writer.note("state", position.dump());
  writer.add_model(model, "model.");
  writer.add_model(adam.first, "adam.first.");
  writer.add_model(adam.second, "adam.second.");
  if (state.stopping.best_epoch >= 0) writer.add_model(best, "best.");
  writer.save(path);
}

template <class M, class Optimizer>
void load_checkpoint(const std::string& path, M& model, Optimizer& adam, M& best, TrainState& state,
                     const nlohmann::json& identity) {
  const SafetensorsFile file(path);
  check(file.has_note("format") && file.note("format") == detail::checkpoint_format, path,
        ": not a checkpoint that this version reads (expected the note format: ", detail::checkpoint_format, ")");
  const std::string differ = detail::differences(parse_json(file.note("identity"), path + ": identity"), identity);
  check(differ.empty(), path, ": is a checkpoint of another run:", differ,
        "\nResume with the same data and options, or begin anew in another folder");
  const auto position = parse_json(file.note("state"), path + ": state");
  detail::read_state(position, state, path + ": state");
  adam.steps = json_value<std::int64_t>(position, "optimizer_steps", path + ": state");
  load_safetensors(model, file, "model.");
  load_safetensors(adam.first, file, "adam.first.");
  load_safetensors(adam.second, file, "adam.second.");
  if (state.stopping.best_epoch >= 0) load_safetensors(best, file, "best.");
}

}  // namespace quern::inline QUERN_ABI
