/// One step of training: the gradients of a batch, perhaps those of the batch under attack too, and Adam.
///
///   TrainStep step(model, classes, options, rule);
///   const double loss = step(batch, 7);                     // throws NotFinite
///
/// TrainStep<M, float, Rule, bf16> computes in bf16 and keeps the weights in float (optim/mixed_precision.hpp).
///
/// With an attack the step's objective is the sum of two losses, of the texts as they are and of the texts moved
/// against their labels (Miyato et al. 2017, equation 6 with λ = 1). The first pass serves both: its gradient is that
/// of the attack's first step. All passes of a step see the same dropout masks.
#pragma once
#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include <quern/autograd/tape.hpp>
#include <quern/loss/cross_entropy.hpp>
#include <quern/optim/adam.hpp>
#include <quern/optim/clip.hpp>
#include <quern/optim/mixed_precision.hpp>
#include <quern/train/adversarial.hpp>
#include <quern/train/options.hpp>

namespace quern::inline QUERN_ABI {

/// Thrown by a step whose loss or gradients are no numbers any more; the weights are as they were.
struct NotFinite {
  const char* what;
  double value;
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

template <class T>
CrossEntropyOptions<T> loss_options(const TrainOptions& options, std::int64_t classes, Device device) {
  const auto& weights = options.class_weights;
  require(weights.empty() || std::int64_t(weights.size()) == classes, "train: ", weights.size(), " class weights for ",
          classes, " classes");
  CrossEntropyOptions<T> loss;
  loss.label_smoothing = options.label_smoothing;
  loss.class_weights = Tensor<T, 1>(weights.size());
  for (std::size_t c = 0; c < weights.size(); ++c) loss.class_weights(c) = T(weights[c]);
  loss.class_weights = loss.class_weights.to(device);
  return loss;
}

}  // namespace detail

namespace detail {
/// What a step computes with: the model itself, and the gradients that are stepped with.
template <template <class> class M, class T, class C>
struct Working {
  M<T>& model;
  M<T>& grads;

  template <class Rule>
  Working(M<T>& m, M<T>& g, const Rule&) : model(m), grads(g) {}
  const M<T>& weights() const { return model; }
  M<T>& gradients() { return grads; }
  void collect() {}
  void refresh() {}
};

/// Or a copy of it in another type, and the gradients of that.
template <template <class> class M>
struct Working<M, float, bf16> {
  M<float>& model;
  M<float>& grads;
  MixedPrecision<M> mixed;

  template <class Rule>
  Working(M<float>& m, M<float>& g, const Rule& rule) : model(m), grads(g), mixed(m, rule) {}
  const M<bf16>& weights() const { return mixed.working(); }
  M<bf16>& gradients() { return mixed.gradients(); }
  void collect() { mixed.collect(grads); }
  void refresh() { mixed.refresh(model); }
};
}  // namespace detail

/// `C` is the type that forward and backward compute in.
template <template <class> class M, class T, class Rule = TrainAll, class C = T>
class TrainStep {
 public:
  TrainStep(M<T>& model, std::int64_t classes, const TrainOptions& options, const Rule& rule)
      : adam(model, {.rate = options.rate, .weight_decay = options.weight_decay, .decoupled = true},
             detail::NoDecayOnBiases<Rule>{rule}),
        model_(model),
        rule_{rule},
        grads_(zeros_like(model, rule_)),
        working_(model_, grads_, rule_),
        loss_options_(detail::loss_options<C>(options, classes, device_of(model))),
        attack_(options.attack),
        clip_(options.clip),
        seed_(options.seed) {
    check_attack(attack_);
    require(HasWordVectors<M<T>> || attack_.kind == AttackKind::none,
            "train: an attack needs a model in two parts, embedded(batch) and logits(vectors), as TextCnn is");
  }

  /// Step number `step` of the training, from 0; gives the loss of the batch as it is.
  double operator()(const Batch& batch, std::int64_t step) {
    const auto more = attack_.steps_taken();
    Perturbation<C> p;
    const double loss = pass(batch, step, more > 0 ? &p : nullptr, rule_, "the loss");
    for (std::int64_t k = 1; k <= more; ++k) {
      ascend(p, batch.offsets, attack_);
      k < more ? pass(batch, step, &p, TrainNone{}, "the loss under attack")
               : pass(batch, step, &p, rule_, "the loss under attack");
    }
    if (clip_ > 0) {
      const double norm = clip_global_norm(grads_, clip_);
      if (!std::isfinite(norm)) throw NotFinite{"the norm of the gradients", norm};
    }
    adam.step(model_, grads_, rule_);
    working_.refresh();
    return loss;
  }

  /// To be called when something else than a step has changed the model.
  void refresh() { working_.refresh(); }

  Adam<M<T>> adam;
  TapeObserver* observer = nullptr;  // of the next pass alone
  const auto& rule() const { return rule_; }

 private:
  /// Forward and backward; gives the loss. Adds to the gradients of what `rule` trains; with `p`, at e + r.
  template <class PassRule>
  double pass(const Batch& batch, std::int64_t step, Perturbation<C>* p, const PassRule& rule, const char* what) {
    Tape tape(Random(seed_, Purpose::dropout, std::uint32_t(step)));
    tape.observe(std::exchange(observer, nullptr));
    const auto recorded = tape.watch(working_.weights(), working_.gradients(), rule);
    const auto loss = cross_entropy(logits(tape, recorded, batch, p), batch.labels, loss_options_);
    if (loss.device().is_cuda()) tape.backward(loss);  // it need not wait until the host has looked at the loss
    const auto value = double(loss.item());
    if (!std::isfinite(value)) throw NotFinite{what, value};
    if (loss.device().is_cpu()) tape.backward(loss);
    if (step == 0) check_all_reached(tape);
    working_.collect();
    return value;
  }

  static auto logits(Tape& tape, const M<Recorded<C>>& recorded, const Batch& batch, Perturbation<C>* p) {
    if constexpr (HasWordVectors<M<T>>) {
      if (p) return recorded.logits(perturbed(tape, recorded.embedded(batch), *p));
    }
    return recorded(batch);
  }

  static void check_all_reached(const Tape& tape) {
    std::string names;
    for (const auto& name : tape.without_gradient()) names += (names.empty() ? "" : ", ") + name;
    check(names.empty(), "train: the loss does not depend on ", names,
          "; use these parameters in the model, or freeze them by a rule");
  }

  M<T>& model_;
  detail::NoDecayOnBiases<Rule> rule_;
  M<T> grads_;
  detail::Working<M, T, C> working_;
  CrossEntropyOptions<C> loss_options_;
  Attack attack_;
  double clip_;
  std::uint64_t seed_;
};

}  // namespace quern::inline QUERN_ABI
