/// CPU bodies of softmax over the last axis.
///
///   cpu::softmax(x.rows(), y.rows());
#pragma once
#include <algorithm>
#include <cmath>

#include <quern/cpu/loops.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// One row: y = e^(x - m) / Σ e^(x - m), m the largest element, so that no exponential overflows.
template <class V, class T>
QUERN_INLINE void softmax_row(const T* x, T* y, std::int64_t n) {
  T largest = x[0];
  for (std::int64_t i = 1; i < n; ++i) largest = std::max(largest, x[i]);
  const V shift(largest);
  for_each_vector<V>(n, [&](std::int64_t i, int count) { exp(V::load(x + i, count) - shift).store(y + i, count); });
  T sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += y[i];
  const V scale(T(1) / sum);
  for_each_vector<V>(n, [&](std::int64_t i, int count) { (V::load(y + i, count) * scale).store(y + i, count); });
}

template <class T>
void softmax(View<const T, 2> x, View<T, 2> y) {
  if (x.extent(1) == 0) return;
  parallel_for(x.extent(0), row_grain(x.extent(1)), [&](std::int64_t begin, std::int64_t end) {
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t r = begin; r < end; ++r) softmax_row<V>(x.row(r), y.row(r), x.extent(1));
    });
  });
}

/// dx = y · (dy - Σ_c dy y)
template <class T>
void softmax_backward(View<const T, 2> dy, View<const T, 2> y, View<T, 2> dx) {
  const std::int64_t n = y.extent(1);
  parallel_for(y.extent(0), row_grain(n), [&](std::int64_t begin, std::int64_t end) {
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t r = begin; r < end; ++r) {
        T inner = 0;
        for (std::int64_t i = 0; i < n; ++i) inner += dy(r, i) * y(r, i);
        const V shift(inner);
        for_each_vector<V>(n, [&](std::int64_t i, int count) {
          ((V::load(dy.row(r) + i, count) - shift) * V::load(y.row(r) + i, count)).store(dx.row(r) + i, count);
        });
      }
    });
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
