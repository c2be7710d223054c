/// mse_loss: the mean of the squared differences, over all elements.
///
///   loss = 1/n Σ_i (x_i - y_i)²            (predictions x, targets y)
///   dx_i = dloss · 2/n (x_i - y_i)
///
///   auto loss = mse_loss(predictions, targets);       // [..., C], [..., C] → []
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/mse_loss.hpp>
#include <quern/cuda/mse_loss.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// What backward needs: the arguments.
template <class T, int Rank>
struct MseLossSaved {
  Tensor<T, Rank> predictions, targets;
};
template <class T, int Rank>
struct MseLossForward {
  Tensor<T, 0> loss;
  MseLossSaved<T, Rank> saved;
};

/// The targets are constants: they get no gradient.
template <Number T, int Rank>
MseLossForward<T, Rank> mse_loss_forward(const Tensor<T, Rank>& predictions, const Tensor<T, Rank>& targets,
                                         Caller at = Caller::here()) {
  require_same_shape("mse_loss", described("predictions", predictions), described("targets", targets), at);
  require(predictions.size() > 0, "mse_loss: ", described("predictions", predictions),
          "; expected at least one element (", at, ")");
  const Device device = common_device("mse_loss", predictions, targets);
  MseLossForward<T, Rank> f{Tensor<T, 0>::empty({}, device), {predictions.share(), targets.share()}};
  if constexpr (has_kernels<T>) {
    if (device.is_cuda()) {
      cuda::mse_loss(predictions.rows(), targets.rows(), f.loss.data());
      return f;
    }
  }
  f.loss.data()[0] = T(cpu::mse_loss(predictions.rows(), targets.rows()));
  return f;
}

template <Number T, int Rank>
Tensor<T, 0> mse_loss(const Tensor<T, Rank>& predictions, const Tensor<T, Rank>& targets, Caller at = Caller::here()) {
  return mse_loss_forward(predictions, targets, at).loss;
}

/// dloss [] → dpredictions [..., C].
template <Number T, int Rank>
Tensor<T, Rank> mse_loss_backward(const Tensor<T, 0>& dloss, const MseLossSaved<T, Rank>& saved) {
  auto dpredictions = empty_like(saved.predictions);
  if constexpr (has_kernels<T>) {
    if (dpredictions.device().is_cuda()) {
      cuda::mse_loss_backward(dloss.data(), saved.predictions.rows(), saved.targets.rows(), dpredictions.rows());
      return dpredictions;
    }
  }
  cpu::mse_loss_backward(double(dloss.item()), saved.predictions.rows(), saved.targets.rows(), dpredictions.rows());
  return dpredictions;
}

template <class T, int Rank>
Tensor<Recorded<T>, 0> mse_loss(const Tensor<Recorded<T>, Rank>& predictions, const Tensor<T, Rank>& targets,
                                Caller at = Caller::here()) {
  auto [loss, saved] = mse_loss_forward(predictions.value(), targets, at);
  auto backward = [predictions, saved = std::move(saved)](Tape& tape, const Tensor<T, 0>& dloss) {
    tape.add(predictions, mse_loss_backward(dloss, saved));
  };
  return Tape::record("mse_loss", std::move(loss), std::move(backward), predictions);
}

}  // namespace quern::inline QUERN_ABI
