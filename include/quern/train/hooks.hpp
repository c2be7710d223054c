/// Needs nlohmann-json. What surrounds a training; all but texts_of_epoch leave its result as it is.
///
///   TrainHooks hooks{.checkpoint = "run/checkpoint.safetensors", .resume = true};
///   hooks.scalar = [&](const char* tag, double value, std::int64_t step) { events.scalar(tag, value, step); };
///   train(model, texts, split, 2, options, hooks);
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include <nlohmann/json.hpp>

#include <quern/data/encode.hpp>
#include <quern/train/options.hpp>
#include <quern/train/progress.hpp>

namespace quern::inline QUERN_ABI {

struct TrainHooks {
  Progress* progress = nullptr;
  const std::atomic<bool>* stop = nullptr;  // set by Ctrl-C: stop after this batch
  std::string checkpoint{};                 // its path; empty: none is written
  double checkpoint_seconds = 60;           // between two of them; one is also written after every epoch
  nlohmann::json identity{};                // more that a resumed run must share (the model's settings)
  bool resume = false;                      // go on from the checkpoint, if there is one
  std::string source{};                     // for messages: the data's path,
  std::span<const std::int64_t> lines{};    // and the line of each text in it
  /// Given figures as training goes on, with the number of steps made: "loss/batch" and "learning_rate" every
  /// `scalar_steps` steps; "loss/train", "loss/dev", "accuracy/dev" and "macro_f1/dev" after every epoch.
  std::function<void(const char* tag, double value, std::int64_t step)> scalar{};
  std::int64_t scalar_steps = 20;
  std::string trace{};        // path of an HTML page of this call's first step; empty: none is written
  std::string failed_step{};  // path of the file that keeps a step whose numbers broke; empty: none is written
  /// Makes the texts to train on in an epoch (from 0) in place of split.train, as augment() does: those of split.train
  /// in their order, then copies of them in the same order. The one hook that changes the result: `identity` must tell
  /// it.
  std::function<Encoded(std::int64_t epoch)> texts_of_epoch{};
};

/// The loss is no longer a number. The model then holds the weights of the best epoch, if there was one.
struct Diverged : Error {
  Diverged(const std::string& message, TrainResult r) : Error(message), result(std::move(r)) {}
  TrainResult result;
};

}  // namespace quern::inline QUERN_ABI
