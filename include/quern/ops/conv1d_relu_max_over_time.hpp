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
#include <quern/cuda/conv1d_relu_max_over_time.hpp>
#include <quern/ops/conv1d.hpp>
#include <quern/ops/max_over_time.hpp>

namespace quern::inline QUERN_ABI {

/// The texts, the weights in window order, the result, and which window was the largest.
template <class T>
struct ConvMaxSaved {
  PaddedTexts<T> texts;
  Tensor<T, 2> taps, y;
  Tensor<std::int32_t, 2> where;  // [B, F]
  Offsets windows;                // of the windows of x; on a GPU kernels count for themselves
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

namespace detail {
template <class T>
cuda::WindowedTexts<T> windowed(const PaddedTexts<T>& texts) {
  return {texts.rows.view(), texts.offsets.view(), texts.places(), texts.width};
}
}  // namespace detail

template <Number T>
ConvMaxForward<T> conv1d_relu_max_over_time_forward(const Packed<T>& x, const Tensor<T, 3>& weight,
                                                    const Tensor<T, 1>& bias, Caller at = Caller::here()) {
  check_conv1d("conv1d_relu_max_over_time", x.rows, x.offsets, weight, bias, at);
  auto taps = detail::taps_of(weight);
  if constexpr (has_kernels<T>) {
    if (x.rows.device().is_cuda()) {
      auto texts = detail::padded_texts(x, weight.extent(2), true);
      const Shape<2> shape{x.texts(), weight.extent(0)};
      auto y = Tensor<T, 2>::empty(shape, x.rows.device());
      auto where = Tensor<std::int32_t, 2>::empty(shape, x.rows.device());
      cuda::conv1d_relu_max_over_time<T>(detail::windowed(texts), taps.view(), bias.size() ? bias.data() : nullptr,
                                         y.view(), where.view());
      return {y.share(), {std::move(texts), std::move(taps), y.share(), std::move(where), {}}};
    }
  }
  check_no_empty_text("conv1d_relu_max_over_time", x.offsets, at);
  auto texts = detail::padded_texts(x, weight.extent(2), true);
  auto activations = detail::windows_on_cpu(texts, taps, bias, Activation::relu);
  auto [largest, max] =
      max_over_time_forward(Packed{std::move(activations), window_offsets(x.offsets, texts.width)}, at);
  auto y = cpu::rounded<T>(std::move(largest));
  return {y.share(), {std::move(texts), std::move(taps), y.share(), std::move(max.where), std::move(max.offsets)}};
}

template <Number T>
Tensor<T, 2> conv1d_relu_max_over_time(const Packed<T>& x, const Tensor<T, 3>& weight, const Tensor<T, 1>& bias,
                                       Caller at = Caller::here()) {
  return conv1d_relu_max_over_time_forward(x, weight, bias, at).y;
}

/// dz [B, F] → dx [N, E].
template <Number T>
Tensor<T, 2> conv1d_relu_max_over_time_backward_x(const Tensor<T, 2>& dz, const ConvMaxSaved<T>& saved) {
  const auto& texts = saved.texts;
  const Shape<2> shape{texts.count, texts.rows.extent(1)};
  if constexpr (has_kernels<T>) {
    if (dz.device().is_cuda()) {
      auto dx = Tensor<T, 2>::empty(shape, dz.device());
      cuda::conv_max_backward_x<T>(dz.view(), detail::windowed(texts), saved.taps.view(), saved.where.view(),
                                   dx.view());
      return dx;
    }
  }
  auto dx = Tensor<accumulator_t<T>, 2>::empty(shape);
  cpu::conv_max_backward_x(dz.view(), saved.taps, texts.width, texts.offsets.view(), saved.where.view(), dx.view());
  return cpu::rounded<T>(std::move(dx));
}

/// dz [B, F] → dweight [F, E, width].
template <Number T>
Tensor<T, 3> conv1d_relu_max_over_time_backward_weight(const Tensor<T, 2>& dz, const ConvMaxSaved<T>& saved) {
  const auto& texts = saved.texts;
  auto dweight = Tensor<T, 3>::empty({saved.taps.extent(0), texts.rows.extent(1), texts.width}, dz.device());
  if constexpr (has_kernels<T>) {
    if (dz.device().is_cuda()) {
      cuda::conv_max_backward_weight<T>(dz.view(), detail::windowed(texts), saved.where.view(), dweight.view());
      return dweight;
    }
  }
  auto dtaps = Tensor<accumulator_t<T>, 2>::empty(saved.taps.shape());
  cpu::conv_max_backward_taps(dz.view(), texts.rows, saved.windows.view(), saved.where.view(), dtaps);
  cpu::weight_of<T>(dtaps.view(), dweight.view());
  return dweight;
}

/// dy [B, F] → dx, dweight, dbias.
template <Number T>
ConvMaxGradients<T> conv1d_relu_max_over_time_backward(const Tensor<T, 2>& dy, const ConvMaxSaved<T>& saved) {
  const auto dz = relu_backward(dy, ReluSaved<T, 2>{saved.y.share()});
  return {{conv1d_relu_max_over_time_backward_x(dz, saved), saved.texts.offsets},
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
