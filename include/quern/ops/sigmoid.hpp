/// sigmoid: the logistic function, element by element: a number between 0 and 1.
///
///   y = 1 / (1 + e⁻ˣ)
///   dx = dy · y (1 - y)
///
///   auto y = sigmoid(x);            // [..., C] → [..., C]
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/sigmoid.hpp>
#include <quern/cuda/sigmoid.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// What backward needs: the result itself.
template <class T, int Rank>
struct SigmoidSaved {
  Tensor<T, Rank> y;
};
template <class T, int Rank>
struct SigmoidForward {
  Tensor<T, Rank> y;
  SigmoidSaved<T, Rank> saved;
};

template <Number T, int Rank>
Tensor<T, Rank> sigmoid(const Tensor<T, Rank>& x) {
  const Device device = common_device("sigmoid", x);
  auto y = empty_like(x);
  QUERN_RUN(T, device, sigmoid(x.rows(), y.rows()));
  return y;
}

template <Number T, int Rank>
SigmoidForward<T, Rank> sigmoid_forward(const Tensor<T, Rank>& x) {
  auto y = sigmoid(x);
  return {y.share(), {y.share()}};
}

/// dy [..., C] → dx [..., C].
template <Number T, int Rank>
Tensor<T, Rank> sigmoid_backward(const Tensor<T, Rank>& dy, const SigmoidSaved<T, Rank>& saved) {
  require_same_shape("sigmoid_backward", described("dy", dy), described("y", saved.y));
  const Device device = common_device("sigmoid_backward", dy, saved.y);
  auto dx = empty_like(dy);
  QUERN_RUN(T, device, sigmoid_backward(dy.rows(), saved.y.rows(), dx.rows()));
  return dx;
}

template <class T, int Rank>
Tensor<Recorded<T>, Rank> sigmoid(const Tensor<Recorded<T>, Rank>& x) {
  auto [y, saved] = sigmoid_forward(x.value());
  auto backward = [x, saved = std::move(saved)](Tape& tape, const Tensor<T, Rank>& dy) {
    tape.add(x, sigmoid_backward(dy, saved));
  };
  return Tape::record("sigmoid", std::move(y), std::move(backward), x);
}

/// Row by row, in every text alike.
template <class T>
Packed<T> sigmoid(const Packed<T>& x) {
  return {sigmoid(x.rows), x.offsets};
}

}  // namespace quern::inline QUERN_ABI
