/// kl_divergence: how many nats it costs to believe the model where the targets are true, averaged over the batch.
///
///   loss = 1/B Σ_b Σ_c t(b, c) (log t(b, c) - x(b, c)),  0 log 0 = 0       (log-probabilities x, probabilities t)
///   dx(b, c) = -dloss/B · t(b, c)
///
/// Of logits on both sides, at a temperature τ, for a student x that learns from a teacher t (Hinton, Vinyals & Dean
/// 2015). The factor τ² keeps gradients of one size whatever τ is:
///
///   loss = τ²/B Σ_b KL(softmax(t(b)/τ) ‖ softmax(x(b)/τ))
///   dx = dloss τ/B · (softmax(x/τ) - softmax(t/τ))
///
///   auto loss = kl_divergence(log_probabilities, targets);               // [B, C], [B, C] → []
///   auto loss = kl_divergence_with_logits(student, teacher, 2.0);        // [B, C], [B, C] → []
///
/// The targets are constants and get no gradient. The mean is over texts, PyTorch's "batchmean".
#pragma once
#include <limits>

#include <quern/autograd/tape.hpp>
#include <quern/cpu/kl_divergence.hpp>
#include <quern/cuda/kl_divergence.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

template <class T>
struct KlDivergenceSaved {
  Tensor<T, 2> targets;  // [B, C]
};
template <class T>
struct KlDivergenceForward {
  Tensor<T, 0> loss;
  KlDivergenceSaved<T> saved;
};
template <class T>
struct KlDivergenceWithLogitsSaved {
  Tensor<accumulator_t<T>, 2> difference;  // [B, C]: softmax(x/τ) - softmax(t/τ)
  double temperature;
};
template <class T>
struct KlDivergenceWithLogitsForward {
  Tensor<T, 0> loss;
  KlDivergenceWithLogitsSaved<T> saved;
};

/// Targets that are no probabilities are refused; a thousandth above 1 is let through as rounding.
template <Number T>
KlDivergenceForward<T> kl_divergence_forward(const Tensor<T, 2>& log_probabilities, const Tensor<T, 2>& targets,
                                             Caller at = Caller::here()) {
  require_same_shape("kl_divergence", described("log_probabilities", log_probabilities), described("targets", targets),
                     at);
  require(targets.size() > 0, "kl_divergence: ", described("targets", targets), "; expected at least one element (", at,
          ")");
  const Device device = common_device("kl_divergence", log_probabilities, targets);
  for (std::int64_t i = 0; device.is_cpu() && i < targets.size(); ++i) {  // on a GPU the kernel looks
    const double t = double(targets.data()[i]);
    require(t >= 0 && t <= 1.001, "kl_divergence: target (", i / targets.extent(1), ", ", i % targets.extent(1),
            ") is ", t, "; expected a probability, 0 to 1 (", at, ")");
  }
  KlDivergenceForward<T> f{Tensor<T, 0>::empty({}, device), {targets.share()}};
  if constexpr (has_kernels<T>) {
    if (device.is_cuda()) {
      cuda::kl_divergence(log_probabilities.view(), targets.view(), f.loss.data());
      return f;
    }
  }
  f.loss.data()[0] = T(cpu::kl_divergence(log_probabilities.view(), targets.view()));
  return f;
}

template <Number T>
Tensor<T, 0> kl_divergence(const Tensor<T, 2>& log_probabilities, const Tensor<T, 2>& targets,
                           Caller at = Caller::here()) {
  return kl_divergence_forward(log_probabilities, targets, at).loss;
}

/// dloss [] → dlog_probabilities [B, C].
template <Number T>
Tensor<T, 2> kl_divergence_backward(const Tensor<T, 0>& dloss, const KlDivergenceSaved<T>& saved) {
  auto dx = empty_like(saved.targets);
  if constexpr (has_kernels<T>) {
    if (dx.device().is_cuda()) {
      cuda::kl_divergence_backward(dloss.data(), saved.targets.view(), dx.view());
      return dx;
    }
  }
  cpu::kl_divergence_backward(double(dloss.item()), saved.targets.view(), dx.view());
  return dx;
}

template <class T>
Tensor<Recorded<T>, 0> kl_divergence(const Tensor<Recorded<T>, 2>& log_probabilities, const Tensor<T, 2>& targets,
                                     Caller at = Caller::here()) {
  auto [loss, saved] = kl_divergence_forward(log_probabilities.value(), targets, at);
  auto backward = [log_probabilities, saved = std::move(saved)](Tape& tape, const Tensor<T, 0>& dloss) {
    tape.add(log_probabilities, kl_divergence_backward(dloss, saved));
  };
  return Tape::record("kl_divergence", std::move(loss), std::move(backward), log_probabilities);
}

template <Number T>
KlDivergenceWithLogitsForward<T> kl_divergence_with_logits_forward(const Tensor<T, 2>& logits,
                                                                   const Tensor<T, 2>& target_logits,
                                                                   double temperature = 1, Caller at = Caller::here()) {
  const char* op = "kl_divergence_with_logits";
  require_same_shape(op, described("logits", logits), described("target_logits", target_logits), at);
  require(logits.size() > 0, op, ": ", described("logits", logits), "; expected at least one element (", at, ")");
  require(temperature > 0 && temperature <= std::numeric_limits<float>::max(), op,
          ": expected a temperature above 0, got ", temperature, " (", at, ")");
  const Device device = common_device(op, logits, target_logits);
  KlDivergenceWithLogitsForward<T> f{Tensor<T, 0>::empty({}, device),
                                     {Tensor<accumulator_t<T>, 2>::empty(logits.shape(), device), temperature}};
  if constexpr (has_kernels<T>) {
    if (device.is_cuda()) {
      cuda::kl_divergence_with_logits(logits.view(), target_logits.view(), temperature, f.saved.difference.view(),
                                      f.loss.data());
      return f;
    }
  }
  f.loss.data()[0] =
      T(cpu::kl_divergence_with_logits(logits.view(), target_logits.view(), temperature, f.saved.difference.view()));
  return f;
}

template <Number T>
Tensor<T, 0> kl_divergence_with_logits(const Tensor<T, 2>& logits, const Tensor<T, 2>& target_logits,
                                       double temperature = 1, Caller at = Caller::here()) {
  return kl_divergence_with_logits_forward(logits, target_logits, temperature, at).loss;
}

/// dloss [] → dlogits [B, C].
template <Number T>
Tensor<T, 2> kl_divergence_with_logits_backward(const Tensor<T, 0>& dloss,
                                                const KlDivergenceWithLogitsSaved<T>& saved) {
  auto dlogits = Tensor<T, 2>::empty(saved.difference.shape(), saved.difference.device());
  if constexpr (has_kernels<T>) {
    if (dlogits.device().is_cuda()) {
      cuda::kl_divergence_with_logits_backward(dloss.data(), saved.difference.view(), saved.temperature,
                                               dlogits.view());
      return dlogits;
    }
  }
  cpu::kl_divergence_with_logits_backward(double(dloss.item()), saved.difference.view(), saved.temperature,
                                          dlogits.view());
  return dlogits;
}

template <class T>
Tensor<Recorded<T>, 0> kl_divergence_with_logits(const Tensor<Recorded<T>, 2>& logits,
                                                 const Tensor<T, 2>& target_logits, double temperature = 1,
                                                 Caller at = Caller::here()) {
  auto [loss, saved] = kl_divergence_with_logits_forward(logits.value(), target_logits, temperature, at);
  auto backward = [logits, saved = std::move(saved)](Tape& tape, const Tensor<T, 0>& dloss) {
    tape.add(logits, kl_divergence_with_logits_backward(dloss, saved));
  };
  return Tape::record("kl_divergence_with_logits", std::move(loss), std::move(backward), logits);
}

}  // namespace quern::inline QUERN_ABI
