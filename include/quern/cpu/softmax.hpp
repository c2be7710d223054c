/// CPU bodies of softmax over the last axis.
///
///   cpu::softmax(x.rows(), y.rows());
#pragma once
#include <quern/cpu/loops.hpp>
#include <quern/cpu/reduce.hpp>
#include <quern/cpu/vec_math.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// One row: y = e^(x - m) / Σ e^(x - m), m the largest element, so that no exponential overflows. y holds the
/// exponentials meanwhile; one of bf16 cannot, and they are computed twice.
template <class V, class X, class Y>
QUERN_INLINE void softmax_row(const X* x, Y* y, std::int64_t n) {
  using T = accumulator_t<X>;
  const V shift(largest_of<V>(x, n));
  T sum;
  if constexpr (std::is_same_v<Y, T>) {
    for_each_vector<V>(n, [&](std::int64_t i, int count)
                              QUERN_INLINE_LAMBDA { exp(V::load(x + i, count) - shift).store(y + i, count); });
    sum = sum_of<V>(n, [&](std::int64_t i, int count) QUERN_INLINE_LAMBDA { return V::load(y + i, count); });
  } else {
    sum =
        sum_of<V>(n, [&](std::int64_t i, int count) QUERN_INLINE_LAMBDA { return exp(V::load(x + i, count) - shift); });
  }
  const V scale(T(1) / sum);
  for_each_vector<V>(n, [&](std::int64_t i, int count) QUERN_INLINE_LAMBDA {
    if constexpr (std::is_same_v<Y, T>)
      (V::load(y + i, count) * scale).store(y + i, count);
    else
      (exp(V::load(x + i, count) - shift) * scale).store(y + i, count);
  });
}

/// y may be of the type of x, or of the one x is computed in.
template <class X, class Y>
void softmax(View<const X, 2> x, View<Y, 2> y) {
  if (x.extent(1) == 0) return;
  parallel_for(x.extent(0), row_grain(x.extent(1)), [&](std::int64_t begin, std::int64_t end) {
    simd_for<X>([&]<class V>(V) {
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
        const T *g = dy.row(r), *p = y.row(r);
        const V shift(sum_of<V>(n, [&](std::int64_t i, int count)
                                       QUERN_INLINE_LAMBDA { return V::load(g + i, count) * V::load(p + i, count); }));
        for_each_vector<V>(n, [&](std::int64_t i, int count) QUERN_INLINE_LAMBDA {
          ((V::load(g + i, count) - shift) * V::load(p + i, count)).store(dx.row(r) + i, count);
        });
      }
    });
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
