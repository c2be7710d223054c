/// relu: the larger of x and zero, element by element.
///
///   y = max(x, 0)                       (Nair & Hinton 2010); NaN stays NaN
///   dx = dy where y > 0, else 0         (the kink at 0 is given the left derivative)
///
///   auto y = relu(x);                   // [..., C] → [..., C]
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/relu.hpp>
#include <quern/cuda/relu.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// What backward needs: the result itself.
template <class T, int Rank>
struct ReluSaved {
  Tensor<T, Rank> y;
};
template <class T, int Rank>
struct ReluForward {
  Tensor<T, Rank> y;
  ReluSaved<T, Rank> saved;
};

template <Number T, int Rank>
Tensor<T, Rank> relu(const Tensor<T, Rank>& x) {
  const Device device = common_device("relu", x);
  auto y = empty_like(x);
  QUERN_RUN(T, device, relu(x.rows(), y.rows()));
  return y;
}

template <Number T, int Rank>
ReluForward<T, Rank> relu_forward(const Tensor<T, Rank>& x) {
  auto y = relu(x);
  return {y.share(), {y.share()}};
}

/// dy [..., C] → dx [..., C].
template <Number T, int Rank>
Tensor<T, Rank> relu_backward(const Tensor<T, Rank>& dy, const ReluSaved<T, Rank>& saved) {
  require_same_shape("relu_backward", described("dy", dy), described("y", saved.y));
  auto dx = empty_like(dy);
  QUERN_RUN(T, dy.device(), relu_backward(dy.rows(), saved.y.rows(), dx.rows()));
  return dx;
}

template <class T, int Rank>
Tensor<Recorded<T>, Rank> relu(const Tensor<Recorded<T>, Rank>& x) {
  auto [y, saved] = relu_forward(x.value());
  return Tape::record(
      "relu", std::move(y),
      [x, saved = std::move(saved)](Tape& tape, const Tensor<T, Rank>& dy) { tape.add(x, relu_backward(dy, saved)); },
      x);
}

/// Row by row, in every text alike.
template <class T>
Packed<T> relu(const Packed<T>& x) {
  return {relu(x.rows), x.offsets};
}

}  // namespace quern::inline QUERN_ABI
