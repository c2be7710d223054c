/// softplus: a smooth relu, element by element: a number above 0.
///
///   y = ln(1 + eˣ)                      (Dugas et al. 2001); computed as max(x, 0) + ln(1 + e^-|x|)
///   dx = dy / (1 + e⁻ˣ)
///
///   auto y = softplus(x);               // [..., C] → [..., C]
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/softplus.hpp>
#include <quern/cuda/softplus.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// What backward needs: the argument. Of a small y, rounded, 1 - e⁻ʸ would have lost its digits.
template <class T, int Rank>
struct SoftplusSaved {
  Tensor<T, Rank> x;
};
template <class T, int Rank>
struct SoftplusForward {
  Tensor<T, Rank> y;
  SoftplusSaved<T, Rank> saved;
};

template <Number T, int Rank>
Tensor<T, Rank> softplus(const Tensor<T, Rank>& x) {
  const Device device = common_device("softplus", x);
  auto y = empty_like(x);
  QUERN_RUN(T, device, softplus(x.rows(), y.rows()));
  return y;
}

template <Number T, int Rank>
SoftplusForward<T, Rank> softplus_forward(const Tensor<T, Rank>& x) {
  return {softplus(x), {x.share()}};
}

/// dy [..., C] → dx [..., C].
template <Number T, int Rank>
Tensor<T, Rank> softplus_backward(const Tensor<T, Rank>& dy, const SoftplusSaved<T, Rank>& saved) {
  require_same_shape("softplus_backward", described("dy", dy), described("x", saved.x));
  const Device device = common_device("softplus_backward", dy, saved.x);
  auto dx = empty_like(dy);
  QUERN_RUN(T, device, softplus_backward(dy.rows(), saved.x.rows(), dx.rows()));
  return dx;
}

template <class T, int Rank>
Tensor<Recorded<T>, Rank> softplus(const Tensor<Recorded<T>, Rank>& x) {
  auto [y, saved] = softplus_forward(x.value());
  auto backward = [x, saved = std::move(saved)](Tape& tape, const Tensor<T, Rank>& dy) {
    tape.add(x, softplus_backward(dy, saved));
  };
  return Tape::record("softplus", std::move(y), std::move(backward), x);
}

/// Row by row, in every text alike.
template <class T>
Packed<T> softplus(const Packed<T>& x) {
  return {softplus(x.rows), x.offsets};
}

}  // namespace quern::inline QUERN_ABI
