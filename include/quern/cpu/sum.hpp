/// CPU bodies of sum and mean: over the middle axis of [outer, n, inner], and over everything. Sums are kept in the
/// accumulator's type, and in an order that the number of threads does not change.
///
///   cpu::sum(x, y, 1);                       // x [outer, n, inner] → y [outer, inner]
///   cpu::sum(x, y, n);                       // the mean
#pragma once
#include <algorithm>
#include <vector>

#include <quern/base/dtype.hpp>
#include <quern/cpu/loops.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// Σ x[0..n), in four sums side by side: one would wait for its own last addition.
template <class V, class T>
QUERN_INLINE accumulator_t<T> sum_of(const T* x, std::int64_t n) {
  const accumulator_t<T> none = 0;
  V a(none), b(none), c(none), d(none);
  std::int64_t i = 0;
  for (; i + 4 * V::width <= n; i += 4 * V::width) {
    a = a + V::load(x + i);
    b = b + V::load(x + i + V::width);
    c = c + V::load(x + i + 2 * V::width);
    d = d + V::load(x + i + 3 * V::width);
  }
  for_each_vector<V>(n - i, [&](std::int64_t k, int count) { a = a + V::load(x + i + k, count); });
  return ((a + b) + (c + d)).sum();
}

inline constexpr std::int64_t column_block = 256;

/// y[c] = Σ_r x[r · stride + c] / divisor for c < columns ≤ column_block. Rows are added in order, four in a turn.
template <class V, class T>
QUERN_INLINE void sum_columns(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns,
                              accumulator_t<T> divisor, T* y) {
  accumulator_t<T> sums[column_block] = {};
  std::int64_t r = 0;
  for (; r + 4 <= rows; r += 4)
    for_each_vector<V>(columns, [&](std::int64_t c, int count) {
      const T* at = x + r * stride + c;
      V sum = V::load(sums + c, count) + V::load(at, count);
      sum = sum + V::load(at + stride, count);
      sum = sum + V::load(at + 2 * stride, count);
      sum = sum + V::load(at + 3 * stride, count);
      sum.store(sums + c, count);
    });
  for (; r < rows; ++r)
    for_each_vector<V>(columns, [&](std::int64_t c, int count) {
      (V::load(sums + c, count) + V::load(x + r * stride + c, count)).store(sums + c, count);
    });
  for_each_vector<V>(columns,
                     [&](std::int64_t c, int count) { (V::load(sums + c, count) / V(divisor)).store(y + c, count); });
}

/// y(o, i) = Σ_n x(o, n, i) / divisor
template <class T>
void sum(View<const T, 3> x, View<T, 2> y, accumulator_t<T> divisor) {
  const std::int64_t n = x.extent(1), inner = x.extent(2);
  if (inner == 1) {
    parallel_for(x.extent(0), row_grain(n), [&](std::int64_t begin, std::int64_t end) {
      simd_for<T>([&]<class V>(V) {
        for (std::int64_t o = begin; o < end; ++o) y.data[o] = T(sum_of<V>(x.data + o * n, n) / divisor);
      });
    });
    return;
  }
  const std::int64_t blocks = (inner + column_block - 1) / column_block;
  parallel_for(x.extent(0) * blocks, row_grain(n * column_block), [&](std::int64_t begin, std::int64_t end) {
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t at = begin; at < end; ++at) {
        const std::int64_t o = at / blocks, c = at % blocks * column_block;
        sum_columns<V>(x.data + o * n * inner + c, n, inner, std::min(column_block, inner - c), divisor,
                       y.data + o * inner + c);
      }
    });
  });
}

/// dx(o, n, i) = dy(o, i) · factor
template <class T>
void sum_backward(View<const T, 2> dy, View<T, 3> dx, accumulator_t<T> factor) {
  const std::int64_t n = dx.extent(1), inner = dx.extent(2);
  if (inner == 1) {
    parallel_for(dx.extent(0), row_grain(n), [&](std::int64_t begin, std::int64_t end) {
      simd_for<T>([&]<class V>(V) {
        for (std::int64_t o = begin; o < end; ++o) {
          const V value(accumulator_t<T>(dy.data[o]) * factor);
          for_each_vector<V>(n, [&](std::int64_t i, int count) { value.store(dx.data + o * n + i, count); });
        }
      });
    });
    return;
  }
  parallel_for(dx.extent(0) * n, row_grain(inner), [&](std::int64_t begin, std::int64_t end) {
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t r = begin; r < end; ++r)
        for_each_vector<V>(inner, [&](std::int64_t i, int count) {
          (V::load(dy.data + r / n * inner + i, count) * V(factor)).store(dx.data + r * inner + i, count);
        });
    });
  });
}

/// Σ x / divisor. The sums of chunks are added in order, in double.
template <class T>
T sum_all(const T* x, std::int64_t n, double divisor) {
  std::vector<double> chunks(std::size_t((n + element_grain - 1) / element_grain));
  parallel_for(n, element_grain, [&](std::int64_t begin, std::int64_t end) {
    simd_for<T>(
        [&]<class V>(V) { chunks[std::size_t(begin / element_grain)] = double(sum_of<V>(x + begin, end - begin)); });
  });
  double sum = 0;
  for (double s : chunks) sum += s;
  return T(sum / divisor);
}

/// dx = dy · factor everywhere.
template <class T>
void sum_all_backward(T dy, T* dx, std::int64_t n, accumulator_t<T> factor) {
  const accumulator_t<T> value = accumulator_t<T>(dy) * factor;
  for_each_element<T>(n, [&]<class V>(V, std::int64_t i, int count) { V(value).store(dx + i, count); });
}

}  // namespace quern::inline QUERN_ABI::cpu
