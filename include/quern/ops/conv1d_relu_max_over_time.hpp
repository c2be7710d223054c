/// conv1d_relu_max_over_time: the three ops of a text CNN's feature (Kim 2014) as one. The values are those of the
/// composition, bit for bit; backward follows the arg-max alone.
///
///   y(b, f) = max_t relu(b(f) + Σ_{w,e} x(t - (width-1) + w, e) · weight(f, e, w)) over the windows t of text b
///   dz(b, f) = dy(b, f) where y(b, f) > 0, else 0;  db = Σ_b dz(b, :)
///   dweight(f, :) = Σ_b dz(b, f) · window(b, t*(b, f)),  dx takes dz(b, f) · weight(f, :) at the window t*(b, f)
///
///   auto y = conv1d_relu_max_over_time(e, weight, bias);     // e: [N, E] of B texts, weight [F, E, width] → [B, F]
#pragma once
#include <quern/cpu/conv1d_relu_max_over_time.hpp>
#include <quern/ops/conv1d.hpp>
#include <quern/ops/max_over_time.hpp>

namespace quern::inline QUERN_ABI {

/// The padded rows, the weights in window order, the result, and which window was the largest.
template <class T>
struct ConvMaxSaved {
  Tensor<T, 2> padded, taps, y;
  Tensor<std::int32_t, 2> where;  // [B, F]
  Offsets offsets, windows;       // of x, and of its windows
  std::int64_t width;
};
template <class T>
struct ConvMaxForward {
  Tensor<T, 2> y;
  ConvMaxSaved<T> saved;
};
template <class T>
struct ConvMaxGradients {
  Packed<T> x;
  Tensor<T, 3> weight;
  Tensor<T, 1> bias;
};

template <Number T>
ConvMaxForward<T> conv1d_relu_max_over_time_forward(const Packed<T>& x, const Tensor<T, 3>& weight,
                                                    const Tensor<T, 1>& bias, Caller at = Caller::here()) {
  check_conv1d("conv1d_relu_max_over_time", x.rows, x.offsets, weight, bias, at);
  check_no_empty_text("conv1d_relu_max_over_time", x.offsets, at);
  const std::int64_t width = weight.extent(2);
  auto [activations, padded, taps] = detail::compute_conv1d(x, weight, bias, Activation::relu);
  auto [largest, max] = max_over_time_forward(Packed{std::move(activations), window_offsets(x.offsets, width)}, at);
  auto y = cpu::rounded<T>(std::move(largest));
  return {y.share(),
          {std::move(padded), std::move(taps), y.share(), std::move(max.where), x.offsets.share(),
           std::move(max.offsets), width}};
}

template <Number T>
Tensor<T, 2> conv1d_relu_max_over_time(const Packed<T>& x, const Tensor<T, 3>& weight, const Tensor<T, 1>& bias,
                                       Caller at = Caller::here()) {
  return conv1d_relu_max_over_time_forward(x, weight, bias, at).y;
}

/// dz [B, F] → dx [N, E].
template <Number T>
Tensor<T, 2> conv1d_relu_max_over_time_backward_x(const Tensor<T, 2>& dz, const ConvMaxSaved<T>& saved) {
  auto dx = Tensor<accumulator_t<T>, 2>::empty({saved.offsets(saved.offsets.size() - 1), saved.padded.extent(1)});
  cpu::conv_max_backward_x(dz.view(), saved.taps, saved.width, saved.offsets.view(), saved.where.view(), dx.view());
  return cpu::rounded<T>(std::move(dx));
}

/// dz [B, F] → dweight [F, E, width].
template <Number T>
Tensor<T, 3> conv1d_relu_max_over_time_backward_weight(const Tensor<T, 2>& dz, const ConvMaxSaved<T>& saved) {
  auto dtaps = Tensor<accumulator_t<T>, 2>::empty(saved.taps.shape());
  cpu::conv_max_backward_taps(dz.view(), saved.padded, saved.windows.view(), saved.where.view(), dtaps);
  auto dweight = Tensor<T, 3>::empty({dtaps.extent(0), saved.padded.extent(1), saved.width});
  cpu::weight_of<T>(dtaps.view(), dweight.view());
  return dweight;
}

/// dy [B, F] → dx, dweight, dbias.
template <Number T>
ConvMaxGradients<T> conv1d_relu_max_over_time_backward(const Tensor<T, 2>& dy, const ConvMaxSaved<T>& saved) {
  const auto dz = relu_backward(dy, ReluSaved<T, 2>{saved.y.share()});
  return {{conv1d_relu_max_over_time_backward_x(dz, saved), saved.offsets},
          conv1d_relu_max_over_time_backward_weight(dz, saved),
          linear_backward_bias(dz)};
}

template <class X, class W, class B>
requires AnyRecorded<Tensor<X, 2>, W, B>
auto conv1d_relu_max_over_time(const Packed<X>& x, const W& weight, const B& bias, Caller at = Caller::here()) {
  auto [y, saved] =
      conv1d_relu_max_over_time_forward(Packed{value(x.rows).share(), x.offsets}, value(weight), value(bias), at);
  auto backward = [rows = keep(x.rows), weight = keep(weight), bias = keep(bias), saved = std::move(saved)](
                      Tape& tape, const auto& dy) {
    const auto dz = relu_backward(dy, {saved.y.share()});
    if constexpr (is_recorded<Tensor<X, 2>>)
      if (wants_gradient(rows)) tape.add(rows, conv1d_relu_max_over_time_backward_x(dz, saved));
    if constexpr (is_recorded<W>)
      if (wants_gradient(weight)) tape.add(weight, conv1d_relu_max_over_time_backward_weight(dz, saved));
    if constexpr (is_recorded<B>)
      if (wants_gradient(bias) && bias.size()) tape.add(bias, linear_backward_bias(dz));
  };
  return Tape::record("conv1d_relu_max_over_time", std::move(y), std::move(backward), x.rows, weight, bias);
}

}  // namespace quern::inline QUERN_ABI
