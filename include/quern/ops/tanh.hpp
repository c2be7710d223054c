/// tanh: the hyperbolic tangent, element by element.
///
///   y = (eˣ - e⁻ˣ) / (eˣ + e⁻ˣ)
///   dx = dy (1 - y²)
///
///   auto y = tanh(x);               // [..., C] → [..., C]
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/tanh.hpp>
#include <quern/cuda/tanh.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// What backward needs: the result itself.
template <class T, int Rank>
struct TanhSaved {
  Tensor<T, Rank> y;
};
template <class T, int Rank>
struct TanhForward {
  Tensor<T, Rank> y;
  TanhSaved<T, Rank> saved;
};

template <Number T, int Rank>
Tensor<T, Rank> tanh(const Tensor<T, Rank>& x) {
  const Device device = common_device("tanh", x);
  auto y = empty_like(x);
  QUERN_RUN(T, device, tanh(x.rows(), y.rows()));
  return y;
}

template <Number T, int Rank>
TanhForward<T, Rank> tanh_forward(const Tensor<T, Rank>& x) {
  auto y = tanh(x);
  return {y.share(), {y.share()}};
}

/// dy [..., C] → dx [..., C].
template <Number T, int Rank>
Tensor<T, Rank> tanh_backward(const Tensor<T, Rank>& dy, const TanhSaved<T, Rank>& saved) {
  require_same_shape("tanh_backward", described("dy", dy), described("y", saved.y));
  const Device device = common_device("tanh_backward", dy, saved.y);
  auto dx = empty_like(dy);
  QUERN_RUN(T, device, tanh_backward(dy.rows(), saved.y.rows(), dx.rows()));
  return dx;
}

template <class T, int Rank>
Tensor<Recorded<T>, Rank> tanh(const Tensor<Recorded<T>, Rank>& x) {
  auto [y, saved] = tanh_forward(x.value());
  auto backward = [x, saved = std::move(saved)](Tape& tape, const Tensor<T, Rank>& dy) {
    tape.add(x, tanh_backward(dy, saved));
  };
  return Tape::record("tanh", std::move(y), std::move(backward), x);
}

/// Row by row, in every text alike.
template <class T>
Packed<T> tanh(const Packed<T>& x) {
  return {tanh(x.rows), x.offsets};
}

}  // namespace quern::inline QUERN_ABI
