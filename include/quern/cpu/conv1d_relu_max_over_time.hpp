/// CPU bodies of conv1d_relu_max_over_time. Backward visits one window for each text and filter, the arg-max, so it
/// costs T times less than the composition's and no activation is kept.
///
///   cpu::conv_max_backward_taps(dz, padded, first_window, where, dtaps);
#pragma once
#include <quern/cpu/conv1d.hpp>
#include <quern/cpu/max_over_time.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// dtaps(f, :) = Σ_b dz(b, f) · window(b, where(b, f)). A filter belongs to one thread; texts are added in order.
template <class T>
void conv_max_backward_taps(View<const T, 2> dz, const Tensor<T, 2>& padded, View<const std::int64_t, 1> windows,
                            View<const std::int32_t, 2> where, Tensor<accumulator_t<T>, 2>& dtaps) {
  const std::int64_t length = dtaps.extent(1), columns = padded.extent(1);
  parallel_for(dtaps.extent(0), 8, [&](std::int64_t begin, std::int64_t end) {
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t f = begin; f < end; ++f) {
        accumulator_t<T>* row = dtaps.data() + f * length;
        std::memset(row, 0, std::size_t(length) * sizeof *row);
        for (std::int64_t b = 0; b < dz.extent(0); ++b)
          if (dz(b, f) != 0) axpy<V>(dz(b, f), padded.data() + (windows(b) + where(b, f)) * columns, row, length);
      }
    });
  });
}

/// dx: the rows of text b under the arg-max window of filter f take dz(b, f) · taps(f, :); taps over the padding are
/// skipped. A text belongs to one thread; filters are added in order.
template <class T>
void conv_max_backward_x(View<const T, 2> dz, const Tensor<T, 2>& taps, std::int64_t width,
                         View<const std::int64_t, 1> offsets, View<const std::int32_t, 2> where,
                         View<accumulator_t<T>, 2> dx) {
  const std::int64_t columns = dx.extent(1);
  parallel_for(dz.extent(0), 1, [&](std::int64_t begin, std::int64_t end) {
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t b = begin; b < end; ++b) {
        const std::int64_t rows = offsets(b + 1) - offsets(b);
        std::memset(dx.row(offsets(b)), 0, std::size_t(rows * columns) * sizeof *dx.data);
        for (std::int64_t f = 0; f < dz.extent(1); ++f) {
          if (dz(b, f) == 0) continue;
          const std::int64_t row = where(b, f) - (width - 1);  // of the window's first tap, counted in the text
          const std::int64_t from = row < 0 ? -row : 0, to = std::min(width, rows - row);
          axpy<V>(dz(b, f), taps.data() + f * taps.extent(1) + from * columns, dx.row(offsets(b) + row + from),
                  (to - from) * columns);
        }
      }
    });
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
