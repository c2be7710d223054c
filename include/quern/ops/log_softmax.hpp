/// log_softmax: the logarithms of softmax, also where those round to 0.
///
///   y(c) = x(c) - ln Σ_k e^x(k)
///   dx(c) = dy(c) - e^y(c) Σ_k dy(k)
///
///   auto log_probabilities = log_softmax(logits);       // [..., C] → [..., C]
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/log_softmax.hpp>
#include <quern/cuda/log_softmax.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// What backward needs: the result itself.
template <class T, int Rank>
struct LogSoftmaxSaved {
  Tensor<T, Rank> y;
};
template <class T, int Rank>
struct LogSoftmaxForward {
  Tensor<T, Rank> y;
  LogSoftmaxSaved<T, Rank> saved;
};

template <Number T, int Rank>
requires(Rank >= 1) Tensor<T, Rank> log_softmax(const Tensor<T, Rank>& x) {
  const Device device = common_device("log_softmax", x);
  auto y = empty_like(x);
  QUERN_RUN(T, device, log_softmax(x.rows(), y.rows()));
  return y;
}

template <Number T, int Rank>
LogSoftmaxForward<T, Rank> log_softmax_forward(const Tensor<T, Rank>& x) {
  auto y = log_softmax(x);
  return {y.share(), {y.share()}};
}

/// dy [..., C] → dx [..., C].
template <Number T, int Rank>
Tensor<T, Rank> log_softmax_backward(const Tensor<T, Rank>& dy, const LogSoftmaxSaved<T, Rank>& saved) {
  require_same_shape("log_softmax_backward", described("dy", dy), described("y", saved.y));
  auto dx = empty_like(dy);
  QUERN_RUN(T, dy.device(), log_softmax_backward(dy.rows(), saved.y.rows(), dx.rows()));
  return dx;
}

template <class T, int Rank>
Tensor<Recorded<T>, Rank> log_softmax(const Tensor<Recorded<T>, Rank>& x) {
  auto [y, saved] = log_softmax_forward(x.value());
  auto backward = [x, saved = std::move(saved)](Tape& tape, const Tensor<T, Rank>& dy) {
    tape.add(x, log_softmax_backward(dy, saved));
  };
  return Tape::record("log_softmax", std::move(y), std::move(backward), x);
}

}  // namespace quern::inline QUERN_ABI
