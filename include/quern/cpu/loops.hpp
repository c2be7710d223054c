/// The loop shapes that op bodies share, on all threads and with the vectors of this machine.
///
///   for_each_element<T>(n, [&]<class V>(V, std::int64_t i, int count) { … });     // element by element
///   sum_rows(dy, dbias);                                                           // [rows, C] → [C]
#pragma once
#include <quern/base/parallel_for.hpp>
#include <quern/cpu/vec.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// Elements in one chunk of an element-wise loop: large enough to be worth a thread's attention.
inline constexpr std::int64_t element_grain = 1 << 14;

/// Rows in one chunk, so that a chunk holds about element_grain elements.
constexpr std::int64_t row_grain(std::int64_t columns) {
  return columns >= element_grain ? 1 : element_grain / (columns > 0 ? columns : 1);
}

/// Calls f(V, i, count) for the elements i … i+count-1 of n, V being the vector to load them in.
template <class T, class F>
void for_each_element(std::int64_t n, F&& f) {
  parallel_for(n, element_grain, [&](std::int64_t begin, std::int64_t end) {
    simd_for<T>([&]<class V>(V v) {
      for_each_vector<V>(end - begin, [&](std::int64_t i, int count) QUERN_INLINE_LAMBDA { f(v, begin + i, count); });
    });
  });
}

/// y[0..n) += a · x[0..n); y may be kept in the type that x is computed in.
template <class V, class X, class Y>
QUERN_INLINE void axpy(accumulator_t<X> a, const X* x, Y* y, std::int64_t n) {
  const V factor(a);
  for_each_vector<V>(n, [&](std::int64_t i, int count) {
    V::load(x + i, count).fma(factor, V::load(y + i, count)).store(y + i, count);
  });
}

/// sums[c] = Σ_r x(r, c). Chunks of columns go to threads; within one, rows are added in order.
template <class T>
void sum_rows(View<const T, 2> x, View<T, 1> sums) {
  constexpr std::int64_t chunk = 64;
  parallel_for(x.extent(1), chunk, [&](std::int64_t begin, std::int64_t end) {
    accumulator_t<T> total[chunk] = {};
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t r = 0; r < x.extent(0); ++r) axpy<V>(1, x.row(r) + begin, total, end - begin);
    });
    for (std::int64_t c = begin; c < end; ++c) sums.data[c] = T(total[c - begin]);
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
