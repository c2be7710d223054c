/// softmax: positive numbers that sum to one along the last axis.
///
///   y(c) = e^x(c) / Σ_k e^x(k)
///   dx(c) = y(c) (dy(c) - Σ_k dy(k) y(k))
///
///   auto probabilities = softmax(logits);       // [..., C] → [..., C]
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/softmax.hpp>
#include <quern/cuda/softmax.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// What backward needs: the result itself.
template <class T, int Rank>
struct SoftmaxSaved {
  Tensor<T, Rank> y;
};
template <class T, int Rank>
struct SoftmaxForward {
  Tensor<T, Rank> y;
  SoftmaxSaved<T, Rank> saved;
};

template <Number T, int Rank>
requires(Rank >= 1) Tensor<T, Rank> softmax(const Tensor<T, Rank>& x) {
  const Device device = common_device("softmax", x);
  auto y = empty_like(x);
  QUERN_RUN(T, device, softmax(x.rows(), y.rows()));
  return y;
}

template <Number T, int Rank>
SoftmaxForward<T, Rank> softmax_forward(const Tensor<T, Rank>& x) {
  auto y = softmax(x);
  return {y.share(), {y.share()}};
}

/// dy [..., C] → dx [..., C].
template <Number T, int Rank>
Tensor<T, Rank> softmax_backward(const Tensor<T, Rank>& dy, const SoftmaxSaved<T, Rank>& saved) {
  require_same_shape("softmax_backward", described("dy", dy), described("y", saved.y));
  auto dx = empty_like(dy);
  QUERN_RUN(T, dy.device(), softmax_backward(dy.rows(), saved.y.rows(), dx.rows()));
  return dx;
}

template <class T, int Rank>
Tensor<Recorded<T>, Rank> softmax(const Tensor<Recorded<T>, Rank>& x) {
  auto [y, saved] = softmax_forward(x.value());
  auto backward = [x, saved = std::move(saved)](Tape& tape, const Tensor<T, Rank>& dy) {
    tape.add(x, softmax_backward(dy, saved));
  };
  return Tape::record("softmax", std::move(y), std::move(backward), x);
}

}  // namespace quern::inline QUERN_ABI
