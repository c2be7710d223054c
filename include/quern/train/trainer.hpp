/// Needs nlohmann-json. Trains a classifier to its best epoch: Adam, early stopping on development texts, checkpoints.
///
///   auto model = make_text_cnn({.vocabulary = words.size(), .classes = 2}, seed);
///   TrainResult result = train(model, texts, stratified_split(texts.labels, 2, 0.1, seed), 2, {.epochs = 20});
///   train_in<bf16>(model, …);                              // computes in bf16, keeps the weights in float
///   result.dev.accuracy;                                   // the model holds the weights of epoch result.kept_epoch
///
/// Nothing that happens depends on the number of threads, or on how often the run was killed and resumed.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>

#include <quern/data/batches.hpp>
#include <quern/optim/schedule.hpp>
#include <quern/train/evaluate.hpp>
#include <quern/train/failed_step.hpp>
#include <quern/train/options.hpp>
#include <quern/train/trace_page.hpp>
#include <quern/train/train_step.hpp>
#include <quern/train/training_run.hpp>

namespace quern::inline QUERN_ABI {

namespace detail {

/// Copies every element; the two have equal shapes, so no memory is asked for.
template <class M>
void copy_values(const M& from, M& to) {
  walk_tensors(
      [](const Path&, const auto& a, auto& b) { copy_bytes(b.data(), b.device(), a.data(), a.device(), a.bytes()); },
      from, to);
}

inline nlohmann::json options_json(const TrainOptions& o) {
  return {{"epochs", o.epochs},
          {"batch", o.batch},
          {"lr", o.rate},
          {"weight_decay", o.weight_decay},
          {"clip", o.clip},
          {"warmup", o.warmup},
          {"label_smoothing", o.label_smoothing},
          {"class_weights", o.class_weights},
          {"seed", o.seed},
          {"stop_on", name_of(o.stop_on)},
          {"patience", o.patience},
          {"attack", name_of(o.attack.kind)},
          {"epsilon", o.attack.epsilon},
          {"attack_steps", o.attack.steps},
          {"attack_step_size", o.attack.step_size}};
}

/// `C` is the type that the steps compute in.
template <class C, template <class> class M, class T, class Rule>
class Trainer : TrainingRun {
 public:
  Trainer(M<T>& model, const Encoded& texts, const Split& split, std::int64_t classes, const TrainOptions& options,
          const TrainHooks& hooks, const Rule& rule)
      : TrainingRun(hooks),
        model_(model),
        texts_(texts),
        split_(split),
        classes_(classes),
        options_(options),
        step_(model, classes, options, rule),
        best_(model) {
    require(options.epochs >= 1 && options.batch >= 1 && options.patience >= 1 && options.warmup >= 0, "train: epochs ",
            options.epochs, ", batch ", options.batch, ", patience ", options.patience, " must be at least 1, warmup ",
            options.warmup, " at least 0");
    require(!split.train.empty(), "train: no texts to train on");
    require(std::int64_t(texts.labels.size()) == texts.size(), "train: ", texts.size(), " texts, ", texts.labels.size(),
            " labels");
    state_.stopping.on = options.stop_on, state_.stopping.patience = options.patience;
    identity_ = {{"options", options_json(options)}, {"data", fingerprint_of(texts, split)}, {"more", hooks.identity}};
    if constexpr (!std::is_same_v<C, T>) identity_["precision"] = dtype_name<C>;
  }

  TrainResult run() {
    resume(model_, step_.adam, best_);
    step_.refresh();
    start_clock();
    while (state_.epoch < options_.epochs && !(has_dev() && state_.stopping.over(state_.epoch - 1))) {
      if (!run_epoch()) return interrupted();
      end_epoch();
      save();
    }
    if (!has_dev()) check_last_weights();
    return finished(false);
  }

 private:
  bool has_dev() const { return !split_.held.empty(); }
  void save() { TrainingRun::save(model_, step_.adam, best_); }

  /// The rest of the epoch the state is in; false when asked to stop.
  bool run_epoch() {
    Encoded made;
    if (hooks_.texts_of_epoch) made = hooks_.texts_of_epoch(state_.epoch);
    const Encoded& all = hooks_.texts_of_epoch ? made : texts_;
    const BatchPlan plan = plan_shuffled(all, hooks_.texts_of_epoch ? all_of(all) : split_.train, options_.batch,
                                         options_.seed, std::uint32_t(state_.epoch));
    const LinearWarmup warm{options_.rate, options_.warmup, options_.epochs * plan.size()};
    BatchStage stage(device_of(model_));
    for (const Batch& on_host : Batches(all, plan, state_.batch)) {
      if (stop_asked()) return false;
      step_.adam.options.rate = options_.warmup > 0 ? warm(state_.step) : options_.rate;
      const Batch batch = stage(on_host);
      const double loss = step(batch, plan);
      state_.trained_texts += batch.texts();
      count_batch(loss, batch.texts(), step_.adam.options.rate, options_.epochs, plan.size());
      if (save_is_due(plan.size())) save();
    }
    return true;
  }

  double step(const Batch& batch, const BatchPlan& plan) {
    Trace trace;
    if (!hooks_.trace.empty()) step_.observer = &trace;
    try {
      const double loss = step_(batch, state_.step);
      if (!hooks_.trace.empty())
        write_trace_page(std::exchange(hooks_.trace, {}), trace,
                         {.title = text_of("Step ", state_.step + 1),
                          .note = text_of(batch.texts(), " texts, ", batch.tokens(), " tokens; loss ", loss)});
      return loss;
    } catch (const NotFinite& e) {  // the weights are as they were: the same step shows what broke
      const std::string found = find_failure(std::as_const(model_), batch,
                                             {.step = state_.step,
                                              .seed = options_.seed,
                                              .label_smoothing = options_.label_smoothing,
                                              .class_weights = options_.class_weights},
                                             hooks_.failed_step, step_.rule());
      diverged(e.what, e.value, state_.epoch + 1, state_.step + 1,
               lines_of(plan.batch(state_.batch)) + (found.empty() ? "" : "; what broke first: " + found));
    }
  }

  void end_epoch() {
    EpochReport report;
    report.train_loss = train_loss();
    bool best = !has_dev();
    if (has_dev()) {
      const Metrics m = evaluate(model_, texts_, split_.held, classes_);
      report.dev_loss = m.loss, report.dev_accuracy = m.accuracy, report.dev_macro_f1 = m.macro.f1;
      if (!std::isfinite(m.loss)) diverged("the loss of the development texts", m.loss, state_.epoch + 1, state_.step);
      best = state_.stopping.better(m, state_.epoch);
      if (best) copy_values(model_, best_);
    }
    note_time();
    report.seconds = state_.epoch_seconds;
    state_.history.push_back(report);
    give_scalars(report);
    say(line_of_epoch(report, best));
    next_epoch();
  }

  /// Without development texts nothing has looked at what the last step came to: a few texts do.
  void check_last_weights() {
    const auto few = std::span(split_.train).first(std::min<std::size_t>(split_.train.size(), 32));
    const double loss = evaluate(model_, texts_, few, classes_).loss;
    if (!std::isfinite(loss)) diverged("the loss after the last step", loss, state_.epoch, state_.step);
  }

  void give_scalars(const EpochReport& r) {
    if (!hooks_.scalar) return;
    scalar("loss/train", r.train_loss);
    if (has_dev())
      scalar("loss/dev", r.dev_loss), scalar("accuracy/dev", r.dev_accuracy), scalar("macro_f1/dev", r.dev_macro_f1);
  }

  std::string line_of_epoch(const EpochReport& r, bool best) const {
    char text[200];
    int n =
        std::snprintf(text, sizeof text, "epoch %lld/%lld  train loss %.4f", static_cast<long long>(state_.epoch + 1),
                      static_cast<long long>(options_.epochs), r.train_loss);
    if (has_dev())
      n += std::snprintf(text + n, sizeof text - std::size_t(n), "  dev loss %.4f  accuracy %.4f  macro F1 %.4f",
                         r.dev_loss, r.dev_accuracy, r.dev_macro_f1);
    std::snprintf(text + n, sizeof text - std::size_t(n), "  %.1f s%s", r.seconds, has_dev() && best ? "  best" : "");
    return text;
  }

  /// Puts the best weights back, and measures them.
  TrainResult finished(bool interrupted) {
    note_time();
    TrainResult result;
    result.interrupted = interrupted;
    result.history = state_.history, result.seconds = state_.seconds;
    result.texts_per_second = state_.seconds > 0 ? double(state_.trained_texts) / state_.seconds : 0;
    result.kept_epoch = has_dev() ? state_.stopping.best_epoch : state_.batch == 0 ? state_.epoch - 1 : -1;
    if (has_dev() && result.kept_epoch >= 0) copy_values(best_, model_);
    if (has_dev()) result.dev = evaluate(model_, texts_, split_.held, classes_);
    if (hooks_.progress) hooks_.progress->clear();
    return result;
  }

  TrainResult interrupted() {
    save();
    return finished(true);
  }

  /// "; the batch has the texts of lines 3, 7 of reviews.csv"
  std::string lines_of(std::span<const std::int64_t> members) const {
    std::string numbers;
    for (std::size_t i = 0; i < members.size() && i < 20; ++i) {
      auto text = members[i];
      if (hooks_.texts_of_epoch) text = split_.train[std::size_t(text) % split_.train.size()];
      numbers += (i ? ", " : "") + std::to_string(hooks_.lines.empty() ? text : hooks_.lines[std::size_t(text)]);
    }
    return text_of("; the batch has the ", hooks_.lines.empty() ? "texts number " : "texts of lines ", numbers,
                   members.size() > 20 ? ", …" : "", hooks_.source.empty() ? "" : " of ", hooks_.source);
  }

  [[noreturn]] void diverged(const char* what, double value, std::int64_t epoch, std::int64_t step,
                             const std::string& where = "") {
    const bool kept = has_dev() && state_.stopping.best_epoch >= 0;
    const std::string message =
        text_of("train: ", what, " is ", value, " in epoch ", epoch, ", step ", step, where, "; ",
                kept ? text_of("the weights of epoch ", state_.stopping.best_epoch + 1, ", the best, are kept")
                     : std::string(has_dev() ? "no epoch had ended, so no weights are kept"
                                             : "without development texts no weights are kept"),
                "; a lower learning rate or clipping may help");
    if (!kept) throw Diverged(message, {});
    throw Diverged(message, finished(false));
  }

  M<T>& model_;
  const Encoded& texts_;
  const Split& split_;
  std::int64_t classes_;
  TrainOptions options_;
  TrainStep<M, T, Rule, C> step_;
  M<T> best_;
};

}  // namespace detail

/// As train(), but forward and backward compute in `C`, bf16, of weights that are kept in float.
template <class C, template <class> class M, class T, class Rule = TrainAll>
TrainResult train_in(M<T>& model, const Encoded& texts, const Split& split, std::int64_t classes,
                     const TrainOptions& options = {}, const TrainHooks& hooks = {}, const Rule& rule = {}) {
  if (options.device && *options.device != device_of(model)) {
    auto there = to(model, *options.device);
    try {
      const auto result = detail::Trainer<C, M, T, Rule>(there, texts, split, classes, options, hooks, rule).run();
      detail::copy_values(there, model);
      return result;
    } catch (const Diverged&) {  // the best weights are kept
      detail::copy_values(there, model);
      throw;
    }
  }
  return detail::Trainer<C, M, T, Rule>(model, texts, split, classes, options, hooks, rule).run();
}

/// Trains `model` on the examples split.train, and keeps the weights of the epoch that was best on split.held (without
/// any: of the last). `rule` may freeze parameters or give them a rate of their own. Throws Diverged.
template <template <class> class M, class T, class Rule = TrainAll>
TrainResult train(M<T>& model, const Encoded& texts, const Split& split, std::int64_t classes,
                  const TrainOptions& options = {}, const TrainHooks& hooks = {}, const Rule& rule = {}) {
  return train_in<T>(model, texts, split, classes, options, hooks, rule);
}

}  // namespace quern::inline QUERN_ABI
