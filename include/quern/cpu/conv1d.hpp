/// CPU bodies of conv1d. With the texts of a batch laid out with width-1 rows of zeros before, between and after them,
/// the windows of all texts are the rows of one matrix whose rows overlap, and a convolution is one product with it.
///
///   auto padded = cpu::pad_texts(x, offsets, width);          // [N + (B+1)(width-1), E]
///   cpu::conv1d(padded, taps, bias, act, y);                  // y [N + B(width-1), F]
#pragma once
#include <cstring>

#include <quern/base/activation.hpp>
#include <quern/cpu/gemm.hpp>

namespace quern::inline QUERN_ABI::cpu {

using OffsetsView = View<const std::int64_t, 1>;

/// The first padded row of text b. Its windows begin width-1 rows before this: neighbouring texts share one gap of
/// width-1 zero rows, so window r of the whole batch begins at padded row r.
inline std::int64_t padded_row(OffsetsView offsets, std::int64_t b, std::int64_t width) {
  return offsets(b) + (b + 1) * (width - 1);
}

/// x [N, E] → rows with zeros around every text.
template <class T>
Tensor<T, 2> pad_texts(View<const T, 2> x, OffsetsView offsets, std::int64_t width) {
  const std::int64_t texts = offsets.size() - 1, columns = x.extent(1);
  auto padded = Tensor<T, 2>::empty({x.extent(0) + (texts + 1) * (width - 1), columns});
  const auto bytes = [&](std::int64_t rows) { return std::size_t(rows * columns) * sizeof(T); };
  parallel_for(texts, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      T* to = padded.data() + padded_row(offsets, b, width) * columns;
      if (bytes(1) == 0) continue;
      std::memset(static_cast<void*>(to - (width - 1) * columns), 0, bytes(width - 1));
      if (offsets(b + 1) > offsets(b))
        std::memcpy(to, x.data + offsets(b) * columns, bytes(offsets(b + 1) - offsets(b)));
    }
  });
  if (width > 1 && columns > 0)
    std::memset(static_cast<void*>(padded.data() + (padded.extent(0) - (width - 1)) * columns), 0, bytes(width - 1));
  return padded;
}

/// padded [.., E] → dx [N, E]: what pad_texts did, backwards.
template <class T>
void unpad_texts(View<const T, 2> padded, OffsetsView offsets, std::int64_t width, View<T, 2> dx) {
  const std::int64_t columns = dx.extent(1);
  for (std::int64_t b = 0; b + 1 < offsets.size(); ++b) {
    const std::int64_t rows = offsets(b + 1) - offsets(b);
    if (rows * columns == 0) continue;
    std::memcpy(dx.data + offsets(b) * columns, padded.data + padded_row(offsets, b, width) * columns,
                std::size_t(rows * columns) * sizeof(T));
  }
}

/// weight [F, E, width] → taps [F, width·E]: the weights in the order of a window's elements.
template <class T>
Tensor<T, 2> taps_of(View<const T, 3> weight) {
  const std::int64_t filters = weight.extent(0), columns = weight.extent(1), width = weight.extent(2);
  auto taps = Tensor<T, 2>::empty({filters, width * columns});
  parallel_for(filters, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t f = begin; f < end; ++f)
      for (std::int64_t w = 0; w < width; ++w)
        for (std::int64_t e = 0; e < columns; ++e) taps(f, w * columns + e) = weight(f, e, w);
  });
  return taps;
}

/// The inverse, for gradients: of sums in the type they were made in, rounded here.
template <class T>
void weight_of(View<const accumulator_t<T>, 2> taps, View<T, 3> weight) {
  const std::int64_t columns = weight.extent(1), width = weight.extent(2);
  parallel_for(weight.extent(0), 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t f = begin; f < end; ++f)
      for (std::int64_t e = 0; e < columns; ++e)
        for (std::int64_t w = 0; w < width; ++w) weight(f, e, w) = T(taps(f, w * columns + e));
  });
}

/// y(r, f) = act(Σ_k padded[r·E + k] taps(f, k) + bias[f])
template <class T>
void conv1d(const Tensor<T, 2>& padded, const Tensor<T, 2>& taps, const T* bias, Activation activation,
            View<accumulator_t<T>, 2> y) {
  const Widened<T> wide_rows(padded.data(), padded.size()), wide_taps(taps.data(), taps.size());
  const Widened<T> wide_bias(bias, bias ? y.extent(1) : 0);
  gemm<accumulator_t<T>>(y.extent(0), y.extent(1), taps.extent(1), {wide_rows.data(), padded.extent(1), 1},
                         {wide_taps.data(), 1, taps.extent(1)}, y.data, y.extent(1), bias ? wide_bias.data() : nullptr,
                         activation);
}

/// dtaps [F, width·E] = Σ_r dy(r, f) · window r
template <class T>
void conv1d_backward_taps(View<const T, 2> dy, const Tensor<T, 2>& padded, Tensor<accumulator_t<T>, 2>& dtaps) {
  const Widened<T> wide_dy(dy.data, dy.size()), wide_rows(padded.data(), padded.size());
  gemm<accumulator_t<T>>(dtaps.extent(0), dtaps.extent(1), dy.extent(0), {wide_dy.data(), 1, dy.extent(1)},
                         {wide_rows.data(), padded.extent(1), 1}, dtaps.data(), dtaps.extent(1));
}

/// dpadded [.., E]: every window's gradient, dy taps, added back at its place, one tap after the other.
template <class T>
Tensor<accumulator_t<T>, 2> conv1d_backward_padded(View<const T, 2> dy, const Tensor<T, 2>& taps, std::int64_t width) {
  const std::int64_t columns = taps.extent(1) / width;
  const Widened<T> wide_dy(dy.data, dy.size()), wide_taps(taps.data(), taps.size());
  Tensor<accumulator_t<T>, 2> dpadded(dy.extent(0) + width - 1, columns);
  for (std::int64_t w = 0; w < width; ++w)
    gemm<accumulator_t<T>>(dy.extent(0), columns, dy.extent(1), {wide_dy.data(), dy.extent(1), 1},
                           {wide_taps.data() + w * columns, taps.extent(1), 1}, dpadded.data() + w * columns, columns,
                           nullptr, Activation::none, true);
  return dpadded;
}

}  // namespace quern::inline QUERN_ABI::cpu
