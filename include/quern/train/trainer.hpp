/// Needs nlohmann-json. Trains a classifier to its best epoch: Adam, early stopping on development texts, checkpoints.
///
///   auto model = make_text_cnn({.vocabulary = words.size(), .classes = 2}, seed);
///   TrainResult result = train(model, texts, stratified_split(texts.labels, 2, 0.1, seed), 2, {.epochs = 20});
///   result.dev.accuracy;                                   // the model holds the weights of epoch result.kept_epoch
///
/// Nothing that happens depends on the number of threads, or on how often the run was killed and resumed.
#pragma once
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <quern/autograd/tape.hpp>
#include <quern/data/batches.hpp>
#include <quern/loss/cross_entropy.hpp>
#include <quern/optim/adam.hpp>
#include <quern/optim/clip.hpp>
#include <quern/optim/schedule.hpp>
#include <quern/train/checkpoint.hpp>
#include <quern/train/evaluate.hpp>
#include <quern/train/options.hpp>
#include <quern/train/progress.hpp>

namespace quern::inline QUERN_ABI {

/// What surrounds a training; none of it changes the result.
struct TrainHooks {
  Progress* progress = nullptr;
  const std::atomic<bool>* stop = nullptr;  // set by Ctrl-C: stop after this batch
  std::string checkpoint{};                 // its path; empty: none is written
  double checkpoint_seconds = 60;           // between two of them; one is also written after every epoch
  nlohmann::json identity{};                // more that a resumed run must share (the model's settings)
  bool resume = false;                      // go on from the checkpoint, if there is one
  std::string source{};                     // for messages: the data's path,
  std::span<const std::int64_t> lines{};    // and the line of each text in it
};

/// The loss is no longer a number. The model then holds the weights of the best epoch, if there was one.
struct Diverged : Error {
  Diverged(const std::string& message, TrainResult r) : Error(message), result(std::move(r)) {}
  TrainResult result;
};

namespace detail {

inline bool is_bias(const std::string& name) { return name == "bias" || name.ends_with(".bias"); }

/// The caller's rule, without weight decay on biases.
template <class Rule>
struct NoDecayOnBiases {
  const Rule& rule;
  ParameterOptions operator()(const std::string& name) const {
    auto options = rule(name);
    if (is_bias(name)) options.decay = 0;
    return options;
  }
};

/// Copies every element; the two have equal shapes, so no memory is asked for.
template <class M>
void copy_values(const M& from, M& to) {
  walk_tensors(
      [](const Path&, const auto& a, auto& b) {
        if (a.bytes()) std::memcpy(static_cast<void*>(b.data()), a.data(), a.bytes());
      },
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
          {"patience", o.patience}};
}

template <template <class> class M, class T, class Rule>
class Trainer {
 public:
  Trainer(M<T>& model, const Encoded& texts, const Split& split, std::int64_t classes, const TrainOptions& options,
          const TrainHooks& hooks, const Rule& rule)
      : model_(model),
        texts_(texts),
        split_(split),
        classes_(classes),
        options_(options),
        hooks_(hooks),
        rule_{rule},
        grads_(zeros_like(model, rule_)),
        best_(model),
        adam_(model, {.rate = options.rate, .weight_decay = options.weight_decay, .decoupled = true}, rule_) {
    require(options.epochs >= 1 && options.batch >= 1 && options.patience >= 1 && options.warmup >= 0, "train: epochs ",
            options.epochs, ", batch ", options.batch, ", patience ", options.patience, " must be at least 1, warmup ",
            options.warmup, " at least 0");
    require(!split.train.empty(), "train: no texts to train on");
    require(std::int64_t(texts.labels.size()) == texts.size(), "train: ", texts.size(), " texts, ", texts.labels.size(),
            " labels");
    require(options.class_weights.empty() || std::int64_t(options.class_weights.size()) == classes,
            "train: ", options.class_weights.size(), " class weights for ", classes, " classes");
    state_.stopping.on = options.stop_on, state_.stopping.patience = options.patience;
    loss_options_.label_smoothing = options.label_smoothing;
    loss_options_.class_weights = Tensor<T, 1>(options.class_weights.size());
    for (std::size_t c = 0; c < options.class_weights.size(); ++c)
      loss_options_.class_weights(c) = T(options.class_weights[c]);
    identity_ = {{"options", options_json(options)}, {"data", fingerprint_of(texts, split)}, {"more", hooks.identity}};
  }

  TrainResult run() {
    if (hooks_.resume && !hooks_.checkpoint.empty()) resume();
    clock_ = std::chrono::steady_clock::now();
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
  bool stop_asked() const { return hooks_.stop && hooks_.stop->load(std::memory_order_relaxed); }

  void resume() {
    struct stat info;
    if (::stat(hooks_.checkpoint.c_str(), &info) != 0 && errno == ENOENT) return;  // nothing was written yet
    load_checkpoint(hooks_.checkpoint, model_, adam_, best_, state_, identity_);
    say(text_of(hooks_.checkpoint, ": goes on at epoch ", state_.epoch + 1, ", batch ", state_.batch + 1));
  }

  void say(const std::string& line) {
    if (hooks_.progress) hooks_.progress->line(line);
  }

  /// Brings the measured time up to date.
  void note_time() {
    const auto now = std::chrono::steady_clock::now();
    const double passed = std::chrono::duration<double>(now - clock_).count();
    state_.seconds += passed, state_.epoch_seconds += passed, since_save_ += passed;
    clock_ = now;
  }

  void save() {
    note_time();
    since_save_ = 0;
    if (!hooks_.checkpoint.empty()) save_checkpoint(hooks_.checkpoint, model_, adam_, best_, state_, identity_);
  }

  /// The rest of the epoch the state is in; false when asked to stop.
  bool run_epoch() {
    const BatchPlan plan =
        plan_shuffled(texts_, split_.train, options_.batch, options_.seed, std::uint32_t(state_.epoch));
    const LinearWarmup warm{options_.rate, options_.warmup, options_.epochs * plan.size()};
    std::int64_t texts = 0;  // of this epoch, since this process began
    for (const Batch& batch : Batches(texts_, plan, state_.batch)) {
      if (stop_asked()) return false;
      adam_.options.rate = options_.warmup > 0 ? warm(state_.step) : options_.rate;
      const double loss = step(batch, plan);
      state_.loss_sum += loss * double(batch.texts());
      state_.loss_texts += batch.texts(), state_.trained_texts += batch.texts(), texts += batch.texts();
      ++state_.batch, ++state_.step;
      if (hooks_.progress)
        hooks_.progress->update({state_.epoch + 1, options_.epochs, state_.batch, plan.size(),
                                 state_.loss_sum / double(state_.loss_texts), texts});
      note_time();
      if (state_.batch < plan.size() && since_save_ >= hooks_.checkpoint_seconds) save();
    }
    return true;
  }

  /// One step of training; gives the loss.
  double step(const Batch& batch, const BatchPlan& plan) {
    Tape tape(Random(options_.seed, Purpose::dropout, std::uint32_t(state_.step)));
    const auto recorded = tape.watch(model_, grads_, rule_);
    const auto loss = cross_entropy(recorded(batch), batch.labels, loss_options_);
    if (!std::isfinite(loss.item())) diverged("the loss", double(loss.item()), plan);
    tape.backward(loss);
    if (state_.step == 0) check_all_reached(tape);
    if (options_.clip > 0) {
      const double norm = clip_global_norm(grads_, options_.clip);
      if (!std::isfinite(norm)) diverged("the norm of the gradients", norm, plan);
    }
    adam_.step(model_, grads_, rule_);
    return double(loss.item());
  }

  static void check_all_reached(const Tape& tape) {
    std::string names;
    for (const auto& name : tape.without_gradient()) names += (names.empty() ? "" : ", ") + name;
    check(names.empty(), "train: the loss does not depend on ", names,
          "; use these parameters in the model, or freeze them by a rule");
  }

  void end_epoch() {
    EpochReport report;
    report.train_loss = state_.loss_sum / double(state_.loss_texts);
    bool best = !has_dev();
    if (has_dev()) {
      const Metrics m = evaluate(model_, texts_, split_.held, classes_);
      report.dev_loss = m.loss, report.dev_accuracy = m.accuracy, report.dev_macro_f1 = m.macro.f1;
      if (!std::isfinite(m.loss)) diverged("the loss of the development texts", m.loss, {});
      best = state_.stopping.better(m, state_.epoch);
      if (best) copy_values(model_, best_);
    }
    note_time();
    report.seconds = state_.epoch_seconds;
    state_.history.push_back(report);
    say(line_of_epoch(report, best));
    ++state_.epoch;
    state_.batch = 0, state_.loss_sum = 0, state_.loss_texts = 0, state_.epoch_seconds = 0;
  }

  /// Without development texts nothing has looked at what the last step came to: a few texts do.
  void check_last_weights() {
    const auto few = std::span(split_.train).first(std::min<std::size_t>(split_.train.size(), 32));
    const double loss = evaluate(model_, texts_, few, classes_).loss;
    if (!std::isfinite(loss)) diverged("the loss after the last step", loss, {});
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

  [[noreturn]] void diverged(const char* what, double value, const BatchPlan& plan) {
    std::string where;
    if (state_.batch < plan.size()) {
      const auto members = plan.batch(state_.batch);
      for (std::size_t i = 0; i < members.size() && i < 20; ++i)
        where +=
            (i ? ", " : "") + std::to_string(hooks_.lines.empty() ? members[i] : hooks_.lines[std::size_t(members[i])]);
      where = text_of("; the batch has the ", hooks_.lines.empty() ? "texts number " : "texts of lines ", where,
                      members.size() > 20 ? ", …" : "", hooks_.source.empty() ? "" : " of ", hooks_.source);
    }
    const bool kept = has_dev() && state_.stopping.best_epoch >= 0;
    const std::string message =
        text_of("train: ", what, " is ", value, " in epoch ", state_.epoch + 1, ", step ", state_.step + 1, where, "; ",
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
  TrainHooks hooks_;
  NoDecayOnBiases<Rule> rule_;
  M<T> grads_, best_;
  Adam<M<T>> adam_;
  CrossEntropyOptions<T> loss_options_;
  TrainState state_;
  nlohmann::json identity_;
  std::chrono::steady_clock::time_point clock_;
  double since_save_ = 0;
};

}  // namespace detail

/// Trains `model` on the examples split.train, and keeps the weights of the epoch that was best on split.held (without
/// any: of the last). `rule` may freeze parameters or give them a rate of their own. Throws Diverged.
template <template <class> class M, class T, class Rule = TrainAll>
TrainResult train(M<T>& model, const Encoded& texts, const Split& split, std::int64_t classes,
                  const TrainOptions& options = {}, const TrainHooks& hooks = {}, const Rule& rule = {}) {
  return detail::Trainer<M, T, Rule>(model, texts, split, classes, options, hooks, rule).run();
}

}  // namespace quern::inline QUERN_ABI
