/// gelu: each element times the probability that a normal number is smaller (Hendrycks & Gimpel 2016).
///
///   y = x Φ(x),  Φ(x) = (1 + erf(x / √2)) / 2
///   dx = dy (Φ(x) + x φ(x)),  φ(x) = e^(-x²/2) / √(2π)
///   with Approximate::tanh: y = x g,  g = (1 + tanh u) / 2,  u = √(2/π) (x + 0.044715 x³)
///   dx = dy (g + 2 x g (1 - g) u')
///
///   auto y = gelu(x);                             // [..., C] → [..., C]; BERT
///   auto z = gelu(x, Approximate::tanh);          // GPT-2
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/gelu.hpp>
#include <quern/cuda/gelu.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// PyTorch's `approximate`: none is the form with erf.
enum class Approximate { none, tanh };

/// What backward needs: the argument.
template <class T, int Rank>
struct GeluSaved {
  Approximate approximate;
  Tensor<T, Rank> x;
};
template <class T, int Rank>
struct GeluForward {
  Tensor<T, Rank> y;
  GeluSaved<T, Rank> saved;
};

template <Number T, int Rank>
Tensor<T, Rank> gelu(const Tensor<T, Rank>& x, Approximate approximate = Approximate::none) {
  const Device device = common_device("gelu", x);
  auto y = empty_like(x);
  if (approximate == Approximate::tanh) {
    QUERN_RUN(T, device, gelu_tanh(x.rows(), y.rows()));
  } else {
    QUERN_RUN(T, device, gelu_erf(x.rows(), y.rows()));
  }
  return y;
}

template <Number T, int Rank>
GeluForward<T, Rank> gelu_forward(const Tensor<T, Rank>& x, Approximate approximate = Approximate::none) {
  return {gelu(x, approximate), {approximate, x.share()}};
}

/// dy [..., C] → dx [..., C].
template <Number T, int Rank>
Tensor<T, Rank> gelu_backward(const Tensor<T, Rank>& dy, const GeluSaved<T, Rank>& saved) {
  require_same_shape("gelu_backward", described("dy", dy), described("x", saved.x));
  const Device device = common_device("gelu_backward", dy, saved.x);
  auto dx = empty_like(dy);
  if (saved.approximate == Approximate::tanh) {
    QUERN_RUN(T, device, gelu_tanh_backward(dy.rows(), saved.x.rows(), dx.rows()));
  } else {
    QUERN_RUN(T, device, gelu_erf_backward(dy.rows(), saved.x.rows(), dx.rows()));
  }
  return dx;
}

template <class T, int Rank>
Tensor<Recorded<T>, Rank> gelu(const Tensor<Recorded<T>, Rank>& x, Approximate approximate = Approximate::none) {
  auto [y, saved] = gelu_forward(x.value(), approximate);
  auto backward = [x, saved = std::move(saved)](Tape& tape, const Tensor<T, Rank>& dy) {
    tape.add(x, gelu_backward(dy, saved));
  };
  return Tape::record("gelu", std::move(y), std::move(backward), x);
}

/// Row by row, in every text alike.
template <class T>
Packed<T> gelu(const Packed<T>& x, Approximate approximate = Approximate::none) {
  return {gelu(x.rows, approximate), x.offsets};
}

}  // namespace quern::inline QUERN_ABI
