/// Needs nlohmann-json and utf8proc (link utf8proc). Teaches a model from texts without labels: AdamW, a warm-up and
/// then a falling rate, checkpoints.
///
///   auto model = make_bert_masked_lm({.vocabulary = 8000, .hidden = 256, .layers = 4, .heads = 4, …}, seed);
///   const MaskedLanguageModel objective(Masking(wordpiece));
///   PretrainResult r = pretrain(model, objective, encode_blocks(texts, wordpiece, 512), {.epochs = 3});
///   r.history.back().dev_loss;                               // nats a masked token, of texts that were held out
///
/// The last weights are kept. Nothing that happens depends on the number of threads, or on how often the run was killed
/// and resumed.
#pragma once
#include <cmath>
#include <cstdio>
#include <vector>

#include <quern/data/split.hpp>
#include <quern/optim/layerwise_decay.hpp>
#include <quern/optim/schedule.hpp>
#include <quern/train/objectives.hpp>
#include <quern/train/train_step.hpp>
#include <quern/train/training_run.hpp>

namespace quern::inline QUERN_ABI {

struct PretrainOptions {
  std::int64_t epochs = 1, batch = 32;   // batch: texts, or pairs of them
  double rate = 5e-4;                    // the peak of AdamW's
  double warmup = 0.05;                  // the share of all steps in which the rate rises; then it falls to 0
  double weight_decay = 0.01, clip = 1;  // as of TrainOptions
  double held = 0.01;                    // the share of the texts that is held out to measure on
  std::uint64_t seed = 1;
};

struct PretrainResult {
  std::vector<EpochReport> history;  // "dev" are the texts held out; they have no macro F1
  double seconds = 0, tokens_per_second = 0;
  bool interrupted = false;
};

namespace detail {

/// `C` is the type that the steps compute in.
template <class C, template <class> class M, class T, class Objective>
class Pretrainer : TrainingRun {
 public:
  Pretrainer(M<T>& model, const Objective& objective, const Encoded& texts, const PretrainOptions& options,
             const TrainHooks& hooks)
      : TrainingRun(hooks),
        model_(model),
        objective_(objective),
        texts_(texts),
        options_(options),
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
    if constexpr (!std::is_same_v<C, T>) identity_["precision"] = dtype_name<C>;
  }

  PretrainResult run() {
    resume(model_, adam_, model_);
    working_.refresh();
    start_clock();
    while (state_.epoch < options_.epochs) {
      if (!run_epoch()) return save(), finished(true);
      end_epoch();
      save();
    }
    return finished(false);
  }

 private:
  void save() { TrainingRun::save(model_, adam_, model_); }  // no best weights: the last are kept

  /// The rest of the epoch the state is in; false when asked to stop.
  bool run_epoch() {
    const BatchPlan plan =
        objective_.plan(texts_, split_.train, options_.batch, options_.seed, std::uint32_t(state_.epoch));
    const auto all = options_.epochs * plan.size();
    const LinearWarmup rate{options_.rate, std::llround(options_.warmup * double(all)), all};
    for (const Batch& batch : Batches(texts_, plan, state_.batch)) {
      if (stop_asked()) return false;
      adam_.options.rate = rate(state_.step);
      const double loss = step(batch);
      state_.trained_texts += batch.tokens();  // here tokens
      count_batch(loss, batch.texts(), adam_.options.rate, options_.epochs, plan.size());
      if (save_is_due(plan.size())) save();
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
    report.train_loss = train_loss();
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
    next_epoch();
  }

  PretrainResult finished(bool interrupted) {
    PretrainResult result;
    result.history = state_.history;
    result.seconds = state_.seconds, result.interrupted = interrupted;
    result.tokens_per_second = state_.seconds > 0 ? double(state_.trained_texts) / state_.seconds : 0;
    if (hooks_.progress) hooks_.progress->clear();
    return result;
  }

  M<T>& model_;
  const Objective& objective_;
  const Encoded& texts_;
  PretrainOptions options_;
  LayerwiseDecay rule_ = layerwise_decay(0, 1.0);  // neither biases nor norms decay
  Adam<M<T>> adam_;
  M<T> grads_;
  Working<M, T, C> working_;
  Split split_;
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
