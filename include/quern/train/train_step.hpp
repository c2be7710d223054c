/// One step of training: the gradients of a batch, perhaps those of the batch under attack too, and Adam.
///
///   TrainStep step(model, classes, options, rule);
///   const double loss = step(batch, 7);                     // throws NotFinite
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

template <template <class> class M, class T, class Rule = TrainAll>
class TrainStep {
 public:
  TrainStep(M<T>& model, std::int64_t classes, const TrainOptions& options, const Rule& rule)
      : adam(model, {.rate = options.rate, .weight_decay = options.weight_decay, .decoupled = true},
             detail::NoDecayOnBiases<Rule>{rule}),
        model_(model),
        rule_{rule},
        grads_(zeros_like(model, rule_)),
        loss_options_(detail::loss_options<T>(options, classes, device_of(model))),
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
    Perturbation<T> p;
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
    return loss;
  }

  Adam<M<T>> adam;
  TapeObserver* observer = nullptr;  // of the next pass alone
  const auto& rule() const { return rule_; }

 private:
  /// Forward and backward; gives the loss. Adds to the gradients of what `rule` trains; with `p`, at e + r.
  template <class PassRule>
  double pass(const Batch& batch, std::int64_t step, Perturbation<T>* p, const PassRule& rule, const char* what) {
    Tape tape(Random(seed_, Purpose::dropout, std::uint32_t(step)));
    tape.observe(std::exchange(observer, nullptr));
    const auto recorded = tape.watch(model_, grads_, rule);
    const auto loss = cross_entropy(logits(tape, recorded, batch, p), batch.labels, loss_options_);
    if (loss.device().is_cuda()) tape.backward(loss);  // it need not wait until the host has looked at the loss
    const auto value = double(loss.item());
    if (!std::isfinite(value)) throw NotFinite{what, value};
    if (loss.device().is_cpu()) tape.backward(loss);
    if (step == 0) check_all_reached(tape);
    return value;
  }

  static auto logits(Tape& tape, const M<Recorded<T>>& recorded, const Batch& batch, Perturbation<T>* p) {
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
  CrossEntropyOptions<T> loss_options_;
  Attack attack_;
  double clip_;
  std::uint64_t seed_;
};

}  // namespace quern::inline QUERN_ABI
