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
#include <quern/cuda/conv1d.hpp>
#include <quern/ops/linear.hpp>

namespace quern::inline QUERN_ABI {

/// What the windows of a batch read: on the CPU a copy of its texts with zeros around them, on a GPU x itself and a
/// list of what such a copy would hold.
template <class T>
struct PaddedTexts {
  Tensor<T, 2> rows;                             // [N + (B+1)(width-1), E], or x [N, E]
  Tensor<std::int32_t, 1> source, padded, text;  // on a GPU: see cuda/conv1d.hpp
  Offsets offsets;                               // of x
  std::int64_t count, width;                     // N

  std::int64_t texts() const { return offsets.size() - 1; }
  std::int64_t windows() const { return count + texts() * (width - 1); }
  cuda::WindowPlaces places() const { return {source.share().view(), padded.share().view(), text.share().view()}; }
};

/// The texts, and the weights in the order of a window; for an activation also the result.
template <class T>
struct Conv1dSaved {
  PaddedTexts<T> texts;
  Tensor<T, 2> taps;  // [F, width·E]
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
  auto out = empty_like(offsets);
  if constexpr (has_cuda) {
    if (out.device().is_cuda()) {
      cuda::window_offsets(offsets.view(), width, out.view());
      return out;
    }
  }
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
  common_device(op, rows, offsets, weight, bias);
}

namespace detail {
/// `none_empty`: a text without rows is an error, where the device looks for it.
template <class T>
PaddedTexts<T> padded_texts(const Packed<T>& x, std::int64_t width, [[maybe_unused]] bool none_empty) {
  PaddedTexts<T> texts{{}, {}, {}, {}, x.offsets.share(), x.rows.extent(0), width};
  if constexpr (has_kernels<T>) {
    const Device device = x.rows.device();
    if (device.is_cuda()) {
      const auto list = [&](std::int64_t n) { return Tensor<std::int32_t, 1>::empty(Shape<1>{n}, device); };
      texts.rows = x.rows.share();
      texts.source = list(texts.windows() + width - 1), texts.padded = list(texts.count);
      texts.text = list(texts.windows());
      cuda::window_places(x.offsets.view(), width, texts.places(), none_empty);
      return texts;
    }
  }
  texts.rows = cpu::pad_texts(x.rows.view(), x.offsets.view(), width);
  return texts;
}

/// weight [F, E, width] → [F, width·E]
template <class T>
Tensor<T, 2> taps_of(const Tensor<T, 3>& weight) {
  if constexpr (has_kernels<T>) {
    if (weight.device().is_cuda()) {
      auto taps = Tensor<T, 2>::empty({weight.extent(0), weight.extent(2) * weight.extent(1)}, weight.device());
      cuda::taps_of(weight.view(), taps.view());
      return taps;
    }
  }
  return cpu::taps_of(weight.view());
}

/// The windows times the taps, on the CPU in the type they are summed in.
template <class T>
Tensor<accumulator_t<T>, 2> windows_on_cpu(const PaddedTexts<T>& texts, const Tensor<T, 2>& taps,
                                           const Tensor<T, 1>& bias, Activation activation) {
  auto y = Tensor<accumulator_t<T>, 2>::empty({texts.windows(), taps.extent(0)});
  cpu::conv1d(texts.rows, taps, bias.size() ? bias.data() : nullptr, activation, y.view());
  return y;
}

template <class T>
Tensor<T, 2> windows(const PaddedTexts<T>& texts, const Tensor<T, 2>& taps, const Tensor<T, 1>& bias,
                     Activation activation) {
  if constexpr (has_kernels<T>) {
    if (texts.rows.device().is_cuda()) {
      auto y = Tensor<T, 2>::empty({texts.windows(), taps.extent(0)}, taps.device());
      cuda::conv1d<T>(texts.rows.view(), texts.places(), taps.view(), bias.size() ? bias.data() : nullptr, activation,
                      y.view());
      return y;
    }
  }
  return cpu::rounded<T>(windows_on_cpu(texts, taps, bias, activation));
}
}  // namespace detail

template <Number T>
Conv1dForward<T> conv1d_forward(const Packed<T>& x, const Tensor<T, 3>& weight, const Tensor<T, 1>& bias,
                                Activation activation = Activation::none, Caller at = Caller::here()) {
  check_conv1d("conv1d", x.rows, x.offsets, weight, bias, at);
  const std::int64_t width = weight.extent(2);
  auto texts = detail::padded_texts(x, width, false);
  auto taps = detail::taps_of(weight);
  auto y = detail::windows(texts, taps, bias, activation);
  LinearSaved<T, 2> saved{activation, activation == Activation::none ? Tensor<T, 2>{} : y.share()};
  return {{y.share(), window_offsets(x.offsets, width)}, {std::move(texts), std::move(taps), std::move(saved)}};
}

template <Number T>
Packed<T> conv1d(const Packed<T>& x, const Tensor<T, 3>& weight, const Tensor<T, 1>& bias,
                 Activation activation = Activation::none, Caller at = Caller::here()) {
  return conv1d_forward(x, weight, bias, activation, at).y;
}

/// dz [N + B(width-1), F] → dx [N, E].
template <Number T>
Tensor<T, 2> conv1d_backward_x(const Tensor<T, 2>& dz, const Conv1dSaved<T>& saved) {
  const auto& texts = saved.texts;
  const Shape<2> shape{texts.count, texts.rows.extent(1)};
  if constexpr (has_kernels<T>) {
    if (dz.device().is_cuda()) {
      auto dx = Tensor<T, 2>::empty(shape, dz.device());
      cuda::conv1d_backward_x(dz.view(), texts.places(), saved.taps.view(), dx.view());
      return dx;
    }
  }
  const auto dpadded = cpu::conv1d_backward_padded(dz.view(), saved.taps, texts.width);
  auto dx = Tensor<accumulator_t<T>, 2>::empty(shape);
  cpu::unpad_texts(dpadded.view(), texts.offsets.view(), texts.width, dx.view());
  return cpu::rounded<T>(std::move(dx));
}

/// dz [N + B(width-1), F] → dweight [F, E, width].
template <Number T>
Tensor<T, 3> conv1d_backward_weight(const Tensor<T, 2>& dz, const Conv1dSaved<T>& saved) {
  const auto& texts = saved.texts;
  auto dweight = Tensor<T, 3>::empty({saved.taps.extent(0), texts.rows.extent(1), texts.width}, dz.device());
  if constexpr (has_kernels<T>) {
    if (dz.device().is_cuda()) {
      cuda::conv1d_backward_weight<T>(dz.view(), texts.rows.view(), texts.places(), dweight.view());
      return dweight;
    }
  }
  auto dtaps = Tensor<accumulator_t<T>, 2>::empty(saved.taps.shape());
  cpu::conv1d_backward_taps(dz.view(), texts.rows, dtaps);
  cpu::weight_of<T>(dtaps.view(), dweight.view());
  return dweight;
}

/// dy [N + B(width-1), F] → dx, dweight, dbias.
template <Number T>
Conv1dGradients<T> conv1d_backward(const Packed<T>& dy, const Conv1dSaved<T>& saved) {
  const auto dz = linear_backward_activation(dy.rows, saved.activation);
  return {
      {conv1d_backward_x(dz, saved), saved.texts.offsets}, conv1d_backward_weight(dz, saved), linear_backward_bias(dz)};
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
