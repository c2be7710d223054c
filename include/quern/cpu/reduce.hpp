/// Reductions over one row, with a fixed number of running vectors, so that their order depends on the width alone.
///
///   float sum = sum_of<V>(n, [&](std::int64_t i, int count) { return V::load(x + i, count); });
///   float most = largest_of<V>(x, n);
#pragma once
#include <limits>

#include <quern/base/dtype.hpp>
#include <quern/cpu/vec.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// The type that a vector's elements have.
template <class V>
using element_of = decltype(std::declval<V>().sum());

namespace detail {
template <class A>
inline constexpr A ones[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
}

/// The first `count` elements of v, and `rest` in the others.
template <class V>
QUERN_INLINE V keep_first(const V& v, int count, const V& rest) {
  return V::where_greater(V::load(detail::ones<element_of<V>>, count), V(0), v, rest);
}

/// Σ f(i, count) over [0, n); what f gives beyond `count` is left out.
template <class V>
__attribute__((flatten)) QUERN_INLINE auto sum_of(std::int64_t n, auto&& f) {
  V s[4] = {V(0), V(0), V(0), V(0)};
  std::int64_t i = 0;
  for (; i + 4 * V::width <= n; i += 4 * V::width)
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) s[k] = s[k] + f(i + k * V::width, V::width);
  for (; i < n; i += V::width) {
    const int count = n - i < V::width ? int(n - i) : V::width;
    s[0] = s[0] + keep_first(f(i, count), count, V(0));
  }
  return ((s[0] + s[1]) + (s[2] + s[3])).sum();
}

/// The largest of x[0..n), n at least 1. Where one is NaN, NaN or the largest of the others.
template <class V, class T>
QUERN_INLINE auto largest_of(const T* x, std::int64_t n) {
  const V lowest(-std::numeric_limits<element_of<V>>::infinity());
  V most[4] = {lowest, lowest, lowest, lowest};
  std::int64_t i = 0;
  for (; i + 4 * V::width <= n; i += 4 * V::width)
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) most[k] = V::load(x + i + k * V::width).max(most[k]);
  for (; i < n; i += V::width) {
    const int count = n - i < V::width ? int(n - i) : V::width;
    most[0] = keep_first(V::load(x + i, count), count, lowest).max(most[0]);
  }
  return most[0].max(most[1]).max(most[2].max(most[3])).largest();
}

}  // namespace quern::inline QUERN_ABI::cpu
