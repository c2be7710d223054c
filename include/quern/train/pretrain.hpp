/// Needs nlohmann-json. Teaches a model from texts without labels: AdamW, a warm-up and then a falling rate,
/// checkpoints.
///
///   auto model = make_bert_masked_lm({.vocabulary = 8000, .hidden = 256, .layers = 4, .heads = 4, …}, seed);
///   const MaskedLanguageModel objective(Masking(wordpiece));
///   PretrainResult r = pretrain(model, objective, encode_blocks(texts, wordpiece, 512), {.epochs = 3});
///   r.history.back().held_loss;                              // nats a masked token, of texts that were held out
///
/// The last weights are kept. Nothing that happens depends on the number of threads, or on how often the run was killed
/// and resumed.
#pragma once
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <utility>

#include <quern/data/split.hpp>
#include <quern/optim/layerwise_decay.hpp>
#include <quern/optim/schedule.hpp>
#include <quern/train/checkpoint.hpp>
#include <quern/train/hooks.hpp>
#include <quern/train/objectives.hpp>
#include <quern/train/train_step.hpp>

namespace quern::inline QUERN_ABI {

struct PretrainOptions {
  std::int64_t epochs = 1, batch = 32;   // batch: texts, or pairs of them
  double rate = 5e-4;                    // the peak of AdamW's
  double warmup = 0.05;                  // the share of all steps in which the rate rises; then it falls to 0
  double weight_decay = 0.01, clip = 1;  // as of TrainOptions
  double held = 0.01;                    // the share of the texts that is held out to measure on
  std::uint64_t seed = 1;
};

/// Of one epoch. Where nothing is held out, the figures of held-out texts are 0.
struct PretrainReport {
  double train_loss = 0, held_loss = 0, held_accuracy = 0, seconds = 0;
};
struct PretrainResult {
  std::vector<PretrainReport> history;
  double seconds = 0, tokens_per_second = 0;
  bool interrupted = false;
};

namespace detail {

/// `C` is the type that the steps compute in.
template <class C, template <class> class M, class T, class Objective>
class Pretrainer {
 public:
  Pretrainer(M<T>& model, const Objective& objective, const Encoded& texts, const PretrainOptions& options,
             const TrainHooks& hooks)
      : model_(model),
        objective_(objective),
        texts_(texts),
        options_(options),
        hooks_(hooks),
        adam_(model, {.rate = options.rate, .weight_decay = options.weight_decay, .decoupled = true}, rule_),
        grads_(zeros_like(model, rule_)),
        working_(model_, grads_, rule_) {
    require(options.epochs >= 1 && options.batch >= 1 && options.warmup >= 0 && options.warmup < 1 &&
                options.held >= 0 && options.held < 1,
            "pretrain: epochs ", options.epochs, ", batch ", options.batch, ", warmup ", options.warmup, ", held ",
            options.held, "; expected at least 1, at least 1, and shares from 0 to below 1");
    const std::vector<std::int32_t> same(std::size_t(objective.items(texts)), 0);
    split_ = stratified_split(same, 1, options.held, options.seed);
    require(!split_.train.empty(), "pretrain: no texts to learn from");
    identity_ = {{"options",
                  {{"epochs", options.epochs},
                   {"batch", options.batch},
                   {"lr", options.rate},
                   {"warmup", options.warmup},
                   {"weight_decay", options.weight_decay},
                   {"clip", options.clip},
                   {"seed", options.seed}}},
                 {"data", fingerprint_of(texts, split_)},
                 {"more", hooks.identity}};
  }

  PretrainResult run() {
    if (hooks_.resume && !hooks_.checkpoint.empty()) resume();
    clock_ = std::chrono::steady_clock::now();
    while (state_.epoch < options_.epochs) {
      if (!run_epoch()) return save(), finished(true);
      end_epoch();
      save();
    }
    return finished(false);
  }

 private:
  void resume() {
    struct stat info;
    if (::stat(hooks_.checkpoint.c_str(), &info) != 0 && errno == ENOENT) return;  // nothing was written yet
    load_checkpoint(hooks_.checkpoint, model_, adam_, model_, state_, identity_);
    working_.refresh();
    say(text_of(hooks_.checkpoint, ": goes on at epoch ", state_.epoch + 1, ", batch ", state_.batch + 1));
  }
  void say(const std::string& line) {
    if (hooks_.progress) hooks_.progress->line(line);
  }
  void note_time() {
    const auto now = std::chrono::steady_clock::now();
    const double passed = std::chrono::duration<double>(now - clock_).count();
    state_.seconds += passed, state_.epoch_seconds += passed, since_save_ += passed;
    clock_ = now;
  }
  void save() {
    note_time();
    since_save_ = 0;
    if (!hooks_.checkpoint.empty()) save_checkpoint(hooks_.checkpoint, model_, adam_, model_, state_, identity_);
  }

  /// The rest of the epoch the state is in; false when asked to stop.
  bool run_epoch() {
    const BatchPlan plan =
        objective_.plan(texts_, split_.train, options_.batch, options_.seed, std::uint32_t(state_.epoch));
    const auto all = options_.epochs * plan.size();
    const LinearWarmup rate{options_.rate, std::llround(options_.warmup * double(all)), all};
    std::int64_t texts = 0;  // of this epoch, since this process began
    for (const Batch& batch : Batches(texts_, plan, state_.batch)) {
      if (hooks_.stop && hooks_.stop->load(std::memory_order_relaxed)) return false;
      adam_.options.rate = rate(state_.step);
      const double loss = step(batch);
      state_.loss_sum += loss * double(batch.texts()), state_.loss_texts += batch.texts();
      state_.trained_texts += batch.tokens();  // here tokens
      texts += batch.texts();
      ++state_.batch, ++state_.step;
      if (hooks_.scalar && state_.step % hooks_.scalar_steps == 0)
        scalar("loss/batch", loss), scalar("learning_rate", adam_.options.rate);
      if (hooks_.progress)
        hooks_.progress->update({state_.epoch + 1, options_.epochs, state_.batch, plan.size(),
                                 state_.loss_sum / double(state_.loss_texts), texts});
      note_time();
      if (state_.batch < plan.size() && since_save_ >= hooks_.checkpoint_seconds) save();
    }
    return true;
  }

  double step(const Batch& batch) {
    const auto number = std::uint32_t(state_.step);
    const auto example = objective_.example(batch, Random(options_.seed, Purpose::masking, number), device_of(model_));
    if (!objective_.has_loss(example)) return 0;
    Tape tape(Random(options_.seed, Purpose::dropout, number));
    const auto loss = objective_.loss(tape.watch(working_.weights(), working_.gradients(), rule_), example);
    tape.backward(loss);
    const auto value = double(loss.item());
    working_.collect();
    const double norm = options_.clip > 0 ? clip_global_norm(grads_, options_.clip) : 0;
    if (!std::isfinite(value) || !std::isfinite(norm))
      throw_error(text_of("pretrain: ", std::isfinite(value) ? "the norm of the gradients is " : "the loss is ",
                          std::isfinite(value) ? norm : value, " in epoch ", state_.epoch + 1, ", step ",
                          state_.step + 1, "; a lower learning rate or a longer warm-up may help"));
    adam_.step(model_, grads_, rule_);
    working_.refresh();
    return value;
  }

  /// Held-out texts have the same masks in every epoch.
  ObjectiveScore score_held() {
    ObjectiveScore score;
    if (split_.held.empty()) return score;
    const BatchPlan plan = objective_.plan(texts_, split_.held, options_.batch, options_.seed, 0);
    std::uint32_t number = 0;
    for (const Batch& batch : Batches(texts_, plan, 0))
      score += objective_.score(
          model_, objective_.example(batch, Random(~options_.seed, Purpose::masking, number++), device_of(model_)));
    return score;
  }

  void end_epoch() {
    const ObjectiveScore held = score_held();
    note_time();
    EpochReport report;
    report.train_loss = state_.loss_sum / double(state_.loss_texts);
    report.dev_loss = held.loss(), report.dev_accuracy = held.accuracy(), report.seconds = state_.epoch_seconds;
    state_.history.push_back(report);
    char text[160];
    int n =
        std::snprintf(text, sizeof text, "epoch %lld/%lld  train loss %.4f", static_cast<long long>(state_.epoch + 1),
                      static_cast<long long>(options_.epochs), report.train_loss);
    if (held.count)
      n += std::snprintf(text + n, sizeof text - std::size_t(n), "  held-out loss %.4f  accuracy %.4f", held.loss(),
                         held.accuracy());
    std::snprintf(text + n, sizeof text - std::size_t(n), "  %.1f s", report.seconds);
    say(text);
    if (hooks_.scalar) {
      scalar("loss/train", report.train_loss);
      if (held.count) scalar("loss/dev", report.dev_loss), scalar("accuracy/dev", report.dev_accuracy);
    }
    ++state_.epoch;
    state_.batch = 0, state_.loss_sum = 0, state_.loss_texts = 0, state_.epoch_seconds = 0;
  }

  void scalar(const char* tag, double value) { hooks_.scalar(tag, value, state_.step); }

  PretrainResult finished(bool interrupted) {
    PretrainResult result;
    for (const auto& e : state_.history)
      result.history.push_back({e.train_loss, e.dev_loss, e.dev_accuracy, e.seconds});
    result.seconds = state_.seconds, result.interrupted = interrupted;
    result.tokens_per_second = state_.seconds > 0 ? double(state_.trained_texts) / state_.seconds : 0;
    if (hooks_.progress) hooks_.progress->clear();
    return result;
  }

  M<T>& model_;
  const Objective& objective_;
  const Encoded& texts_;
  PretrainOptions options_;
  TrainHooks hooks_;
  LayerwiseDecay rule_ = layerwise_decay(0, 1.0);  // neither biases nor norms decay
  Adam<M<T>> adam_;
  M<T> grads_;
  Working<M, T, C> working_;
  Split split_;
  TrainState state_;
  nlohmann::json identity_;
  std::chrono::steady_clock::time_point clock_;
  double since_save_ = 0;
};

}  // namespace detail

/// As pretrain(), but forward and backward compute in `C`, bf16, of weights that are kept in float.
template <class C, template <class> class M, class T, class Objective>
PretrainResult pretrain_in(M<T>& model, const Objective& objective, const Encoded& texts,
                           const PretrainOptions& options = {}, const TrainHooks& hooks = {}) {
  return detail::Pretrainer<C, M, T, Objective>(model, objective, texts, options, hooks).run();
}

/// Of `hooks`, what belongs to labels or to failed steps does nothing here. The model learns where it is. Error: a loss
/// or a gradient that is no number.
template <template <class> class M, class T, class Objective>
PretrainResult pretrain(M<T>& model, const Objective& objective, const Encoded& texts,
                        const PretrainOptions& options = {}, const TrainHooks& hooks = {}) {
  return pretrain_in<T>(model, objective, texts, options, hooks);
}

}  // namespace quern::inline QUERN_ABI
