/// Needs nlohmann-json. What train() and pretrain() share beside their steps: where a training is, how long it has
/// taken, what is told of it, and its checkpoints.
///
///   class Trainer : TrainingRun { … };
#pragma once
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <string>

#include <quern/train/checkpoint.hpp>
#include <quern/train/hooks.hpp>

namespace quern::inline QUERN_ABI::detail {

class TrainingRun {
 protected:
  explicit TrainingRun(const TrainHooks& hooks) : hooks_(hooks) {}

  bool stop_asked() const { return hooks_.stop && hooks_.stop->load(std::memory_order_relaxed); }
  void say(const std::string& line) {
    if (hooks_.progress) hooks_.progress->line(line);
  }
  void scalar(const char* tag, double value) { hooks_.scalar(tag, value, state_.step); }

  /// To be called after every batch: its loss, the rate it was stepped with, and the numbers of batches of an epoch.
  void count_batch(double loss, std::int64_t texts, double rate, std::int64_t epochs, std::int64_t batches) {
    state_.loss_sum += loss * double(texts), state_.loss_texts += texts, here_ += texts;
    ++state_.batch, ++state_.step;
    if (hooks_.scalar && state_.step % hooks_.scalar_steps == 0)
      scalar("loss/batch", loss), scalar("learning_rate", rate);
    if (hooks_.progress)
      hooks_.progress->update({state_.epoch + 1, epochs, state_.batch, batches, train_loss(), here_});
    note_time();
  }
  /// Of this epoch so far.
  double train_loss() const { return state_.loss_sum / double(state_.loss_texts); }

  void start_clock() { clock_ = std::chrono::steady_clock::now(); }
  /// Brings the measured time up to date.
  void note_time() {
    const auto now = std::chrono::steady_clock::now();
    const double passed = std::chrono::duration<double>(now - clock_).count();
    state_.seconds += passed, state_.epoch_seconds += passed, since_save_ += passed;
    clock_ = now;
  }

  /// Goes on from the checkpoint, where that is asked for and one was written.
  template <class M, class Optimizer>
  void resume(M& model, Optimizer& optimizer, M& best) {
    struct stat info;
    if (!hooks_.resume || hooks_.checkpoint.empty()) return;
    if (::stat(hooks_.checkpoint.c_str(), &info) != 0 && errno == ENOENT) return;
    load_checkpoint(hooks_.checkpoint, model, optimizer, best, state_, identity_);
    say(text_of(hooks_.checkpoint, ": goes on at epoch ", state_.epoch + 1, ", batch ", state_.batch + 1));
  }
  template <class M, class Optimizer>
  void save(const M& model, const Optimizer& optimizer, const M& best) {
    note_time();
    since_save_ = 0;
    if (!hooks_.checkpoint.empty()) save_checkpoint(hooks_.checkpoint, model, optimizer, best, state_, identity_);
  }
  /// Within an epoch of `batches`.
  bool save_is_due(std::int64_t batches) const {
    return state_.batch < batches && since_save_ >= hooks_.checkpoint_seconds;
  }

  void next_epoch() {
    ++state_.epoch;
    state_.batch = 0, state_.loss_sum = 0, state_.loss_texts = 0, state_.epoch_seconds = 0, here_ = 0;
  }

  TrainHooks hooks_;
  TrainState state_;
  nlohmann::json identity_;  // what must be equal when a run is resumed

 private:
  std::chrono::steady_clock::time_point clock_;
  double since_save_ = 0;
  std::int64_t here_ = 0;  // texts of this epoch, since this process began
};

}  // namespace quern::inline QUERN_ABI::detail
