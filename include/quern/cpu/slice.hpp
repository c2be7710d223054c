/// CPU bodies of slice: columns taken out of a matrix, and their gradient added where they stood.
///
///   cpu::slice(x, y, at);                    // x [rows, X], y [rows, Y]: y = x(:, at … at+Y-1)
#pragma once
#include <cstring>

#include <quern/cpu/loops.hpp>

namespace quern::inline QUERN_ABI::cpu {

template <class T>
void slice(View<const T, 2> x, View<T, 2> y, std::int64_t at) {
  if (y.size() == 0) return;
  parallel_for(y.extent(0), row_grain(y.extent(1)), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      std::memcpy(y.row(r), x.row(r) + at, std::size_t(y.extent(1)) * sizeof(T));
  });
}

/// dx(:, at … at+Y-1) += dy
template <class T>
void slice_backward(View<const T, 2> dy, View<T, 2> dx, std::int64_t at) {
  parallel_for(dy.extent(0), row_grain(dy.extent(1)), [&](std::int64_t begin, std::int64_t end) {
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t r = begin; r < end; ++r) {
        const T* from = dy.row(r);
        T* to = dx.row(r) + at;
        for_each_vector<V>(dy.extent(1), [&](std::int64_t i, int count) {
          (V::load(to + i, count) + V::load(from + i, count)).store(to + i, count);
        });
      }
    });
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
