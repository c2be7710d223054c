/// layer_norm: each row is shifted and scaled to mean 0 and variance 1, then scaled and shifted by learned numbers (Ba,
/// Kiros & Hinton 2016).
///
///   h = (x - μ) / σ,  μ = mean_c x(c),  σ² = mean_c (x(c) - μ)² + eps
///   y = h · weight + bias
///   dx = (g - mean_c g - h · mean_c (g h)) / σ,  g = dy · weight
///   dweight = Σ_rows dy · h,  dbias = Σ_rows dy
///
///   auto y = layer_norm(x, weight, bias, 1e-12);       // x [..., C], weight [C], bias [C] → [..., C]
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/layer_norm.hpp>
#include <quern/cuda/layer_norm.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// What backward needs beside x: μ and 1/σ of each row. Of bf16 they are float.
template <class T>
struct LayerNormSaved {
  Tensor<accumulator_t<T>, 1> mean, rstd;  // [rows]
};
template <class T, int Rank>
struct LayerNormForward {
  Tensor<T, Rank> y;
  LayerNormSaved<T> saved;
};
template <class T, int Rank>
struct LayerNormGradients {
  Tensor<T, Rank> x;
  Tensor<T, 1> weight, bias;
};

namespace detail {
template <class T, int Rank>
void check_layer_norm(const char* op, const Tensor<T, Rank>& x, const Tensor<T, 1>& weight, const Tensor<T, 1>& bias,
                      double eps, Caller at) {
  for (const auto& w : {described("weight", weight), described("bias", bias)})
    require(w.tensor.extent(0) == x.shape().last(), op, ": ", w, ", ", described("x", x), "; ", w.role, " must have ",
            x.shape().last(), " elements, as the last axis of x (", at, ")");
  require(eps >= 0, op, ": expected an eps of 0 or more, got ", eps, " (", at, ")");
  common_device(op, x, weight, bias);
}
}  // namespace detail

template <Number T, int Rank>
requires(Rank >= 1) LayerNormForward<T, Rank> layer_norm_forward(const Tensor<T, Rank>& x, const Tensor<T, 1>& weight,
                                                                 const Tensor<T, 1>& bias, double eps = 1e-5,
                                                                 Caller at = Caller::here()) {
  detail::check_layer_norm("layer_norm", x, weight, bias, eps, at);
  using Statistics = Tensor<accumulator_t<T>, 1>;
  const Shape<1> rows{x.rows().extent(0)};
  LayerNormForward<T, Rank> f{empty_like(x),
                              {Statistics::empty(rows, x.device()), Statistics::empty(rows, x.device())}};
  QUERN_RUN(
      T, x.device(),
      layer_norm(x.rows(), weight.view(), bias.view(), eps, f.y.rows(), f.saved.mean.data(), f.saved.rstd.data()));
  return f;
}

template <Number T, int Rank>
requires(Rank >= 1) Tensor<T, Rank> layer_norm(const Tensor<T, Rank>& x, const Tensor<T, 1>& weight,
                                               const Tensor<T, 1>& bias, double eps = 1e-5,
                                               Caller at = Caller::here()) {
  return layer_norm_forward(x, weight, bias, eps, at).y;
}

/// dy [..., C] → dx [..., C], dweight [C], dbias [C].
template <Number T, int Rank>
LayerNormGradients<T, Rank> layer_norm_backward(const Tensor<T, Rank>& dy, const Tensor<T, Rank>& x,
                                                const Tensor<T, 1>& weight, const LayerNormSaved<T>& saved) {
  require_same_shape("layer_norm_backward", described("dy", dy), described("x", x));
  LayerNormGradients<T, Rank> d{empty_like(x), empty_like(weight), empty_like(weight)};
  QUERN_RUN(T, x.device(),
            layer_norm_backward(dy.rows(), x.rows(), weight.view(), saved.mean.data(), saved.rstd.data(), d.x.rows(),
                                d.weight.view(), d.bias.view()));
  return d;
}

template <class X, class W, class B>
requires AnyRecorded<X, W, B>
auto layer_norm(const X& x, const W& weight, const B& bias, double eps = 1e-5, Caller at = Caller::here()) {
  auto [y, saved] = layer_norm_forward(value(x), value(weight), value(bias), eps, at);
  auto backward = [x = keep(x), weight = keep(weight), bias = keep(bias), saved = std::move(saved)](Tape& tape,
                                                                                                    const auto& dy) {
    auto d = layer_norm_backward(dy, value(x), value(weight), saved);
    if constexpr (is_recorded<X>) tape.add(x, std::move(d.x));
    if constexpr (is_recorded<W>) tape.add(weight, std::move(d.weight));
    if constexpr (is_recorded<B>) tape.add(bias, std::move(d.bias));
  };
  return Tape::record("layer_norm", std::move(y), std::move(backward), x, weight, bias);
}

/// Row by row, in every text alike.
template <class T, class W, class B>
auto layer_norm(const Packed<T>& x, const W& weight, const B& bias, double eps = 1e-5, Caller at = Caller::here()) {
  return Packed{layer_norm(x.rows, weight, bias, eps, at), x.offsets};
}

}  // namespace quern::inline QUERN_ABI
