/// binary_cross_entropy_with_logits: every element is a yes-or-no question of its own, as where a text may have several
/// labels; how surprised the model is by the right answers, in nats, averaged over all elements.
///
///   loss = 1/n Σ_i (-p(c_i) y_i log σ(x_i) - (1-y_i) log(1 - σ(x_i)))        (logits x, targets y in [0, 1])
///        = 1/n Σ_i ((1-y_i) x_i + w_i log(1 + e^-x_i)),  w_i = 1 + (p(c_i) - 1) y_i
///   dx_i = dloss/n · (1 - y_i - w_i σ(-x_i))                                 (without p: σ(x_i) - y_i)
///
///   auto loss = binary_cross_entropy_with_logits(logits, targets);       // [B, C], [B, C] → []; or [B], [B] → []
///
/// `pos_weight` p [C] makes a missed yes of class c cost p(c) times as much: p = (number of no) / (number of yes)
/// balances a rare class. For logits [B] it has one element.
#pragma once
#include <limits>

#include <quern/autograd/tape.hpp>
#include <quern/cpu/binary_cross_entropy_with_logits.hpp>
#include <quern/cuda/binary_cross_entropy_with_logits.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// What backward needs: the arguments.
template <class T, int Rank>
struct BinaryCrossEntropyWithLogitsSaved {
  Tensor<T, Rank> logits, targets;
  Tensor<T, 1> pos_weight;  // [C], or [0]: all 1
};
template <class T, int Rank>
struct BinaryCrossEntropyWithLogitsForward {
  Tensor<T, 0> loss;
  BinaryCrossEntropyWithLogitsSaved<T, Rank> saved;
};

/// How many questions have a weight of their own: the last axis, where there is more than one axis.
template <class T, int Rank>
std::int64_t questions_of(const Tensor<T, Rank>& logits) {
  return Rank > 1 ? logits.shape().last() : 1;
}

/// Targets are 0 or 1, or between (smoothed); they are constants and get no gradient.
template <Number T, int Rank>
requires(Rank >= 1) BinaryCrossEntropyWithLogitsForward<T, Rank> binary_cross_entropy_with_logits_forward(
    const Tensor<T, Rank>& logits, const Tensor<T, Rank>& targets, const Tensor<T, 1>& pos_weight = {},
    Caller at = Caller::here()) {
  const char* op = "binary_cross_entropy_with_logits";
  require_same_shape(op, described("logits", logits), described("targets", targets), at);
  require(logits.size() > 0, op, ": ", described("logits", logits), "; expected at least one element (", at, ")");
  const Device device = common_device(op, logits, targets, pos_weight);
  for (std::int64_t i = 0; device.is_cpu() && i < targets.size(); ++i)  // on a GPU the kernels look
    require(double(targets.data()[i]) >= 0 && double(targets.data()[i]) <= 1, op, ": target ", i, " of ",
            targets.size(), " is ", double(targets.data()[i]), "; expected 0 to 1 (", at, ")");
  const std::int64_t classes = questions_of(logits);
  require(pos_weight.size() == 0 || pos_weight.size() == classes, op, ": ", described("pos_weight", pos_weight), ", ",
          described("logits", logits), "; expected ", classes, " weights or none (", at, ")");
  for (std::int64_t c = 0; device.is_cpu() && c < pos_weight.size(); ++c)
    require(double(pos_weight(c)) >= 0 && double(pos_weight(c)) <= std::numeric_limits<float>::max(), op,
            ": the pos_weight of class ", c, " is ", double(pos_weight(c)),
            "; expected a finite number of at least 0 (", at, ")");
  BinaryCrossEntropyWithLogitsForward<T, Rank> f{Tensor<T, 0>::empty({}, device),
                                                 {logits.share(), targets.share(), pos_weight.share()}};
  const T* weights = pos_weight.size() ? pos_weight.data() : nullptr;
  if constexpr (has_kernels<T>) {
    if (device.is_cuda()) {
      cuda::binary_cross_entropy_with_logits(logits.rows(), targets.rows(), weights, classes, f.loss.data());
      return f;
    }
  }
  f.loss.data()[0] = T(cpu::binary_cross_entropy_with_logits(logits.rows(), targets.rows(), weights, classes));
  return f;
}

template <Number T, int Rank>
Tensor<T, 0> binary_cross_entropy_with_logits(const Tensor<T, Rank>& logits, const Tensor<T, Rank>& targets,
                                              const Tensor<T, 1>& pos_weight = {}, Caller at = Caller::here()) {
  return binary_cross_entropy_with_logits_forward(logits, targets, pos_weight, at).loss;
}

/// dloss [] → dlogits [B, C] or [B].
template <Number T, int Rank>
Tensor<T, Rank> binary_cross_entropy_with_logits_backward(const Tensor<T, 0>& dloss,
                                                          const BinaryCrossEntropyWithLogitsSaved<T, Rank>& saved) {
  auto dlogits = empty_like(saved.logits);
  const T* weights = saved.pos_weight.size() ? saved.pos_weight.data() : nullptr;
  const std::int64_t classes = questions_of(saved.logits);
  if constexpr (has_kernels<T>) {
    if (dlogits.device().is_cuda()) {
      cuda::binary_cross_entropy_with_logits_backward(dloss.data(), saved.logits.rows(), saved.targets.rows(), weights,
                                                      classes, dlogits.rows());
      return dlogits;
    }
  }
  cpu::binary_cross_entropy_with_logits_backward(double(dloss.item()), saved.logits.rows(), saved.targets.rows(),
                                                 weights, classes, dlogits.rows());
  return dlogits;
}

template <class T, int Rank>
Tensor<Recorded<T>, 0> binary_cross_entropy_with_logits(const Tensor<Recorded<T>, Rank>& logits,
                                                        const Tensor<T, Rank>& targets,
                                                        const Tensor<T, 1>& pos_weight = {},
                                                        Caller at = Caller::here()) {
  auto [loss, saved] = binary_cross_entropy_with_logits_forward(logits.value(), targets, pos_weight, at);
  auto backward = [logits, saved = std::move(saved)](Tape& tape, const Tensor<T, 0>& dloss) {
    tape.add(logits, binary_cross_entropy_with_logits_backward(dloss, saved));
  };
  return Tape::record("binary_cross_entropy_with_logits", std::move(loss), std::move(backward), logits);
}

}  // namespace quern::inline QUERN_ABI
