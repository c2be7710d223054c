/// layer_norm_residual: layer_norm over a sum of which one part goes through dropout, in one pass over memory. The end
/// of every half block of BERT (Devlin et al. 2018): x is the block's input, residual what attention or the
/// feed-forward net adds to it (He et al. 2015).
///
///   y = layer_norm(s, weight, bias, eps),  s = x + residual · m / (1-p),  m is 0 with probability p, else 1
///   dx = ds,  dresidual = ds · m / (1-p),  and ds, dweight, dbias as of layer_norm
///
///   auto y = layer_norm_residual(x, residual, weight, bias, 1e-12, 0.1);       // all [..., C], weight and bias [C]
///
/// Neither s nor the mask is stored: backward adds again, and draws again. On plain tensors, and on a tape without a
/// random stream, nothing is dropped.
#pragma once
#include <quern/cpu/layer_norm_residual.hpp>
#include <quern/cuda/layer_norm_residual.hpp>
#include <quern/ops/dropout.hpp>
#include <quern/ops/layer_norm.hpp>

namespace quern::inline QUERN_ABI {

/// What backward needs beside x and residual: mean and 1/σ of each row of the sum, and the address of the mask.
template <class T>
struct LayerNormResidualSaved {
  LayerNormSaved<T> norm;
  DropoutSaved dropout;
};
template <class T, int Rank>
struct LayerNormResidualForward {
  Tensor<T, Rank> y;
  LayerNormResidualSaved<T> saved;
};
template <class T, int Rank>
struct LayerNormResidualGradients {
  Tensor<T, Rank> x, residual;
  Tensor<T, 1> weight, bias;
};

/// Training: op number `op` of the stream `random`.
template <Number T, int Rank>
requires(Rank >= 1) LayerNormResidualForward<T, Rank> layer_norm_residual_forward(
    const Tensor<T, Rank>& x, const Tensor<T, Rank>& residual, const Tensor<T, 1>& weight, const Tensor<T, 1>& bias,
    double eps, double p, const Random& random, std::uint32_t op, Caller at = Caller::here()) {
  require_same_shape("layer_norm_residual", described("x", x), described("residual", residual), at);
  detail::check_layer_norm("layer_norm_residual", x, weight, bias, eps, at);
  check_dropout(p, at);
  const Device device = common_device("layer_norm_residual", x, residual);
  const Shape<1> rows{x.rows().extent(0)};
  using Statistics = Tensor<accumulator_t<T>, 1>;
  LayerNormSaved<T> norm{Statistics::empty(rows, x.device()), Statistics::empty(rows, x.device())};
  auto y = empty_like(x);
  LayerNormResidualForward<T, Rank> f{std::move(y), {std::move(norm), {p, random, op}}};
  auto& [mean, rstd] = f.saved.norm;
  if constexpr (has_kernels<T>) {
    if (device.is_cuda()) {
      cuda::layer_norm_residual(x.rows(), residual.rows(), p, random.stream(op), weight.view(), bias.view(), eps,
                                f.y.rows(), mean.data(), rstd.data());
      return f;
    }
  }
  cpu::layer_norm_residual(x.rows(), residual.rows(), {p, {random, op, p}}, weight.view(), bias.view(), eps, f.y.rows(),
                           mean.data(), rstd.data());
  return f;
}

/// Inference: nothing is dropped.
template <Number T, int Rank>
requires(Rank >= 1) Tensor<T, Rank> layer_norm_residual(const Tensor<T, Rank>& x, const Tensor<T, Rank>& residual,
                                                        const Tensor<T, 1>& weight, const Tensor<T, 1>& bias,
                                                        double eps, double p, Caller at = Caller::here()) {
  check_dropout(p, at);
  return layer_norm_residual_forward(x, residual, weight, bias, eps, 0, Random(0), 0, at).y;
}

/// dy [..., C] → dx, dresidual [..., C], dweight, dbias [C].
template <Number T, int Rank>
LayerNormResidualGradients<T, Rank> layer_norm_residual_backward(const Tensor<T, Rank>& dy, const Tensor<T, Rank>& x,
                                                                 const Tensor<T, Rank>& residual,
                                                                 const Tensor<T, 1>& weight,
                                                                 const LayerNormResidualSaved<T>& saved) {
  require_same_shape("layer_norm_residual_backward", described("dy", dy), described("x", x));
  const auto& [p, random, op] = saved.dropout;
  LayerNormResidualGradients<T, Rank> d{empty_like(x), {}, empty_like(weight), empty_like(weight)};
  d.residual = p == 0 ? d.x.share() : empty_like(x);
  const auto& [mean, rstd] = saved.norm;
  if constexpr (has_kernels<T>) {
    if (x.device().is_cuda()) {
      cuda::layer_norm_residual_backward(dy.rows(), x.rows(), residual.rows(), p, random.stream(op), weight.view(),
                                         mean.data(), rstd.data(), d.x.rows(), d.residual.rows(), d.weight.view(),
                                         d.bias.view());
      return d;
    }
  }
  cpu::layer_norm_residual_backward(dy.rows(), x.rows(), residual.rows(), {p, {random, op, p}}, weight.view(),
                                    mean.data(), rstd.data(), d.x.rows(), d.residual.rows(), d.weight.view(),
                                    d.bias.view());
  return d;
}

template <class X, class R, class W, class B>
requires AnyRecorded<X, R, W, B>
auto layer_norm_residual(const X& x, const R& residual, const W& weight, const B& bias, double eps, double p,
                         Caller at = Caller::here()) {
  check_dropout(p, at);
  Tape* tape = detail::tape_of(x, residual, weight, bias);
  const bool drops = tape && tape->random() && p > 0;
  auto [y, saved] =
      layer_norm_residual_forward(value(x), value(residual), value(weight), value(bias), eps, drops ? p : 0,
                                  drops ? *tape->random() : Random(0), drops ? tape->next_random_op() : 0, at);
  auto backward = [x = keep(x), residual = keep(residual), weight = keep(weight), bias = keep(bias),
                   saved = std::move(saved)](Tape& tape, const auto& dy) {
    auto d = layer_norm_residual_backward(dy, value(x), value(residual), value(weight), saved);
    if constexpr (is_recorded<X>) tape.add(x, std::move(d.x));
    if constexpr (is_recorded<R>) tape.add(residual, std::move(d.residual));
    if constexpr (is_recorded<W>) tape.add(weight, std::move(d.weight));
    if constexpr (is_recorded<B>) tape.add(bias, std::move(d.bias));
  };
  return Tape::record("layer_norm_residual", std::move(y), std::move(backward), x, residual, weight, bias);
}

/// Row by row, in every text alike.
template <class T, class W, class B>
auto layer_norm_residual(const Packed<T>& x, const Packed<T>& residual, const W& weight, const B& bias, double eps,
                         double p, Caller at = Caller::here()) {
  return Packed{layer_norm_residual(x.rows, residual.rows, weight, bias, eps, p, at), x.offsets};
}

}  // namespace quern::inline QUERN_ABI
