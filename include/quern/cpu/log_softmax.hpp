/// CPU bodies of log_softmax over the last axis.
///
///   cpu::log_softmax(x.rows(), y.rows());
#pragma once
#include <cmath>

#include <quern/cpu/loops.hpp>
#include <quern/cpu/reduce.hpp>
#include <quern/cpu/vec_math.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// One row: y = x - m - ln Σ e^(x - m), m the largest element, so that no exponential overflows.
template <class V, class T>
QUERN_INLINE void log_softmax_row(const T* x, T* y, std::int64_t n) {
  const V largest(largest_of<V>(x, n));
  const auto sum =
      sum_of<V>(n, [&](std::int64_t i, int count) QUERN_INLINE_LAMBDA { return exp(V::load(x + i, count) - largest); });
  const V log_sum(std::log(sum));
  for_each_vector<V>(n, [&](std::int64_t i, int count)
                            QUERN_INLINE_LAMBDA { (V::load(x + i, count) - largest - log_sum).store(y + i, count); });
}

template <class T>
void log_softmax(View<const T, 2> x, View<T, 2> y) {
  if (x.extent(1) == 0) return;
  parallel_for(x.extent(0), row_grain(x.extent(1)), [&](std::int64_t begin, std::int64_t end) {
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t r = begin; r < end; ++r) log_softmax_row<V>(x.row(r), y.row(r), x.extent(1));
    });
  });
}

/// dx = dy - e^y Σ_c dy
template <class T>
void log_softmax_backward(View<const T, 2> dy, View<const T, 2> y, View<T, 2> dx) {
  const std::int64_t n = y.extent(1);
  parallel_for(y.extent(0), row_grain(n), [&](std::int64_t begin, std::int64_t end) {
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t r = begin; r < end; ++r) {
        const T *g = dy.row(r), *p = y.row(r);
        const V minus_sum(
            -sum_of<V>(n, [&](std::int64_t i, int count) QUERN_INLINE_LAMBDA { return V::load(g + i, count); }));
        for_each_vector<V>(n, [&](std::int64_t i, int count) QUERN_INLINE_LAMBDA {
          exp(V::load(p + i, count)).fma(minus_sum, V::load(g + i, count)).store(dx.row(r) + i, count);
        });
      }
    });
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
