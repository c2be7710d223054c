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
      for_each_vector<V>(end - begin, [&](std::int64_t i, int count) { f(v, begin + i, count); });
    });
  });
}

/// y[0..n) += a · x[0..n)
template <class V, class T>
QUERN_INLINE void axpy(T a, const T* x, T* y, std::int64_t n) {
  const V factor(a);
  for_each_vector<V>(n, [&](std::int64_t i, int count) {
    V::load(x + i, count).fma(factor, V::load(y + i, count)).store(y + i, count);
  });
}

/// sums[c] = Σ_r x(r, c). Chunks of columns go to threads; within one, rows are added in order.
template <class T>
void sum_rows(View<const T, 2> x, View<T, 1> sums) {
  parallel_for(x.extent(1), 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) sums.data[c] = 0;
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t r = 0; r < x.extent(0); ++r) axpy<V>(T(1), x.row(r) + begin, sums.data + begin, end - begin);
    });
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
