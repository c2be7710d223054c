/// conv1d: every window of `width` neighbouring rows of a text, times each of F filters. Texts are padded with width-1
/// zero rows at both ends ("wide convolution", Kalchbrenner et al. 2014), so a text of T rows has T + width-1 windows
/// and a one-word text has windows too.
///
///   y(t, f) = act(b(f) + Σ_{w,e} x(t - (width-1) + w, e) · weight(f, e, w))          x is 0 outside its text
///   db = Σ_t dz(t, :),  dweight(f, e, w) = Σ_t dz(t, f) x(t - (width-1) + w, e),
///   dx(s, e) = Σ_{w,f} dz(s + (width-1) - w, f) weight(f, e, w)                       dz is dy through the activation
///
///   Packed<float> y = conv1d(x, weight, bias);
///
/// x: rows [N, E] of B texts, weight [F, E, width], bias [F] or [0] → rows [N + B(width-1), F].
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/conv1d.hpp>
#include <quern/ops/linear.hpp>

namespace quern::inline QUERN_ABI {

/// The padded rows and the weights in the order of a window; for an activation also the result.
template <class T>
struct Conv1dSaved {
  Tensor<T, 2> padded, taps;
  Offsets offsets;  // of x
  std::int64_t width;
  LinearSaved<T, 2> activation;
};
template <class T>
struct Conv1dForward {
  Packed<T> y;
  Conv1dSaved<T> saved;
};
template <class T>
struct Conv1dGradients {
  Packed<T> x;
  Tensor<T, 3> weight;
  Tensor<T, 1> bias;
};

/// The offsets of the windows of texts.
inline Offsets window_offsets(const Offsets& offsets, std::int64_t width) {
  auto out = Offsets::empty(offsets.shape());
  for (std::int64_t b = 0; b < out.size(); ++b) out(b) = offsets(b) + b * (width - 1);
  return out;
}

template <class T>
void check_conv1d(const char* op, const Tensor<T, 2>& rows, const Offsets& offsets, const Tensor<T, 3>& weight,
                  const Tensor<T, 1>& bias, Caller at) {
  require(weight.extent(2) >= 1, op, ": ", described("weight", weight), "; the width must be at least 1 (", at, ")");
  require(rows.extent(1) == weight.extent(1), op, ": ", described("weight", weight), ", ", described("x", rows),
          "; x must have ", weight.extent(1), " columns (", at, ")");
  require(bias.size() == 0 || bias.size() == weight.extent(0), op, ": ", described("bias", bias), "; expected ",
          weight.extent(0), " elements or none (", at, ")");
  check_offsets(op, offsets, rows.extent(0), at);
  common_device(op, rows, weight, bias);
}

namespace detail {
/// The result in the type it is computed in, and the operands of its product.
template <class T>
struct Conv1dComputed {
  Tensor<accumulator_t<T>, 2> y;
  Tensor<T, 2> padded, taps;
};
template <class T>
Conv1dComputed<T> compute_conv1d(const Packed<T>& x, const Tensor<T, 3>& weight, const Tensor<T, 1>& bias,
                                 Activation activation) {
  const std::int64_t width = weight.extent(2);
  auto padded = cpu::pad_texts(x.rows.view(), x.offsets.view(), width);
  auto taps = cpu::taps_of(weight.view());
  auto y = Tensor<accumulator_t<T>, 2>::empty({x.rows.extent(0) + x.texts() * (width - 1), weight.extent(0)});
  cpu::conv1d(padded, taps, bias.size() ? bias.data() : nullptr, activation, y.view());
  return {std::move(y), std::move(padded), std::move(taps)};
}
}  // namespace detail

template <Number T>
Conv1dForward<T> conv1d_forward(const Packed<T>& x, const Tensor<T, 3>& weight, const Tensor<T, 1>& bias,
                                Activation activation = Activation::none, Caller at = Caller::here()) {
  check_conv1d("conv1d", x.rows, x.offsets, weight, bias, at);
  const std::int64_t width = weight.extent(2);
  auto [computed, padded, taps] = detail::compute_conv1d(x, weight, bias, activation);
  auto y = cpu::rounded<T>(std::move(computed));
  LinearSaved<T, 2> saved{activation, activation == Activation::none ? Tensor<T, 2>{} : y.share()};
  return {{y.share(), window_offsets(x.offsets, width)},
          {std::move(padded), std::move(taps), x.offsets.share(), width, std::move(saved)}};
}

template <Number T>
Packed<T> conv1d(const Packed<T>& x, const Tensor<T, 3>& weight, const Tensor<T, 1>& bias,
                 Activation activation = Activation::none, Caller at = Caller::here()) {
  return conv1d_forward(x, weight, bias, activation, at).y;
}

/// dz [N + B(width-1), F] → dx [N, E].
template <Number T>
Tensor<T, 2> conv1d_backward_x(const Tensor<T, 2>& dz, const Conv1dSaved<T>& saved) {
  const auto dpadded = cpu::conv1d_backward_padded(dz.view(), saved.taps, saved.width);
  auto dx = Tensor<accumulator_t<T>, 2>::empty({saved.offsets(saved.offsets.size() - 1), dpadded.extent(1)});
  cpu::unpad_texts(dpadded.view(), saved.offsets.view(), saved.width, dx.view());
  return cpu::rounded<T>(std::move(dx));
}

/// dz [N + B(width-1), F] → dweight [F, E, width].
template <Number T>
Tensor<T, 3> conv1d_backward_weight(const Tensor<T, 2>& dz, const Conv1dSaved<T>& saved) {
  auto dtaps = Tensor<accumulator_t<T>, 2>::empty(saved.taps.shape());
  cpu::conv1d_backward_taps(dz.view(), saved.padded, dtaps);
  auto dweight = Tensor<T, 3>::empty({dtaps.extent(0), saved.padded.extent(1), saved.width});
  cpu::weight_of<T>(dtaps.view(), dweight.view());
  return dweight;
}

/// dy [N + B(width-1), F] → dx, dweight, dbias.
template <Number T>
Conv1dGradients<T> conv1d_backward(const Packed<T>& dy, const Conv1dSaved<T>& saved) {
  const auto dz = linear_backward_activation(dy.rows, saved.activation);
  return {{conv1d_backward_x(dz, saved), saved.offsets}, conv1d_backward_weight(dz, saved), linear_backward_bias(dz)};
}

template <class X, class W, class B>
requires AnyRecorded<Tensor<X, 2>, W, B>
auto conv1d(const Packed<X>& x, const W& weight, const B& bias, Activation activation = Activation::none,
            Caller at = Caller::here()) {
  auto [y, saved] =
      conv1d_forward(Packed{value(x.rows).share(), x.offsets}, value(weight), value(bias), activation, at);
  auto backward = [rows = keep(x.rows), weight = keep(weight), bias = keep(bias), saved = std::move(saved)](
                      Tape& tape, const auto& dy) {
    const auto dz = linear_backward_activation(dy, saved.activation);
    if constexpr (is_recorded<Tensor<X, 2>>)
      if (wants_gradient(rows)) tape.add(rows, conv1d_backward_x(dz, saved));
    if constexpr (is_recorded<W>)
      if (wants_gradient(weight)) tape.add(weight, conv1d_backward_weight(dz, saved));
    if constexpr (is_recorded<B>)
      if (wants_gradient(bias) && bias.size()) tape.add(bias, linear_backward_bias(dz));
  };
  return Packed{Tape::record("conv1d", std::move(y.rows), std::move(backward), x.rows, weight, bias), y.offsets};
}

}  // namespace quern::inline QUERN_ABI
