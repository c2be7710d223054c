/// CPU bodies of max_over_time: the largest element of each column of each text, and where it stood.
///
///   cpu::max_over_time(x.view(), offsets.view(), y.view(), where.view());
#pragma once
#include <cmath>

#include <quern/cpu/loops.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// y(b, c) = max over the rows t of text b of x(t, c); where(b, c) = the first t (counted in the text) that has it. A
/// NaN in a column is its maximum. Every text has at least one row.
template <class T>
void max_over_time(View<const T, 2> x, View<const std::int64_t, 1> offsets, View<T, 2> y, View<std::int32_t, 2> where) {
  using Computed = accumulator_t<T>;
  const std::int64_t columns = x.extent(1);
  parallel_for(y.extent(0), 4, [&](std::int64_t begin, std::int64_t end) {
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t b = begin; b < end; ++b) {
        const std::int64_t first = offsets(b), rows = offsets(b + 1) - first;
        for_each_vector<V>(columns, [&](std::int64_t c, int count) {
          const T* column = x.row(first) + c;
          V best = V::load(column, count), at(0), all = best - best;  // x - x is NaN for NaN and infinity, else 0
          for (std::int64_t t = 1; t < rows; ++t) {
            const V now = V::load(column + t * columns, count);
            at = V::where_greater(now, best, V(Computed(t)), at);
            best = now.max(best);
            all = all + (now - now);
          }
          Computed times[V::width], bests[V::width], seen[V::width];
          at.store(times, count), best.store(bests, count), all.store(seen, count);
          for (int i = 0; i < count; ++i) {
            if (seen[i] != seen[i]) {  // rare: find the first NaN, if it is one, or the largest, by hand
              for (std::int64_t t = 0, found = 0; t < rows && !found; ++t)
                if (std::isnan(Computed(column[t * columns + i])))
                  bests[i] = column[t * columns + i], times[i] = Computed(t), found = 1;
            }
            y(b, c + i) = T(bests[i]);
            where(b, c + i) = std::int32_t(times[i]);
          }
        });
      }
    });
  });
}

/// dx(where, c) = dy(b, c), zero elsewhere.
template <class T>
void max_over_time_backward(View<const T, 2> dy, View<const std::int64_t, 1> offsets, View<const std::int32_t, 2> where,
                            View<T, 2> dx) {
  for (std::int64_t b = 0; b < dy.extent(0); ++b)
    for (std::int64_t c = 0; c < dy.extent(1); ++c) dx(offsets(b) + where(b, c), c) = dy(b, c);
}

}  // namespace quern::inline QUERN_ABI::cpu
