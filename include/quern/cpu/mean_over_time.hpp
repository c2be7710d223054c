/// CPU bodies of mean_over_time: the mean of each column of each text.
///
///   cpu::mean_over_time(x.view(), offsets.view(), y.view());
#pragma once
#include <quern/cpu/sum.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// y(b, c) = Σ over the rows t of text b of x(t, c) / their number. Every text has at least one row.
template <class T>
void mean_over_time(View<const T, 2> x, View<const std::int64_t, 1> offsets, View<T, 2> y) {
  const std::int64_t columns = x.extent(1);
  parallel_for(y.extent(0), 4, [&](std::int64_t begin, std::int64_t end) {
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t b = begin; b < end; ++b) {
        const std::int64_t first = offsets(b), rows = offsets(b + 1) - first;
        for (std::int64_t c = 0; c < columns; c += column_block)
          sum_columns<V>(x.row(first) + c, rows, columns, std::min(column_block, columns - c), accumulator_t<T>(rows),
                         y.row(b) + c);
      }
    });
  });
}

/// dx(t, c) = dy(b, c) / the number of rows of text b.
template <class T>
void mean_over_time_backward(View<const T, 2> dy, View<const std::int64_t, 1> offsets, View<T, 2> dx) {
  parallel_for(dy.extent(0), 4, [&](std::int64_t begin, std::int64_t end) {
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t b = begin; b < end; ++b) {
        const V share(accumulator_t<T>(1.0 / double(offsets(b + 1) - offsets(b))));
        for (std::int64_t t = offsets(b); t < offsets(b + 1); ++t)
          for_each_vector<V>(dy.extent(1), [&](std::int64_t c, int count) {
            (V::load(dy.row(b) + c, count) * share).store(dx.row(t) + c, count);
          });
      }
    });
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
