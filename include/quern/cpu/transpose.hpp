/// CPU body of transpose: each matrix of [outer, R, C] turned over its diagonal.
///
///   cpu::transpose(x, y);                    // x [outer, R, C], y [outer, C, R]
#pragma once
#include <algorithm>

#include <quern/cpu/loops.hpp>

namespace quern::inline QUERN_ABI::cpu {

namespace detail {
/// to(c, r) = from(r, c) for r < rows, c < columns; the strides are those of whole matrices.
template <class T>
void transpose_tile(const T* from, std::int64_t from_stride, T* to, std::int64_t to_stride, std::int64_t rows,
                    std::int64_t columns) {
  for (std::int64_t c = 0; c < columns; ++c)
    for (std::int64_t r = 0; r < rows; ++r) to[c * to_stride + r] = from[r * from_stride + c];
}
}  // namespace detail

/// In tiles of 16 × 16 numbers, whose cache lines stay in the first cache; and those in blocks of 64 × 64, for each row
/// of a large matrix stands on another page, and few pages are known at a time.
template <class T>
void transpose(View<const T, 3> x, View<T, 3> y) {
  constexpr std::int64_t tile = 16, block = 64;
  const std::int64_t rows = x.extent(1), columns = x.extent(2), bands = (columns + block - 1) / block;
  if (x.size() == 0) return;
  parallel_for(x.extent(0) * bands, row_grain(block * rows), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t band = begin; band < end; ++band) {
      const T* from = x.data + band / bands * rows * columns;
      T* to = y.data + band / bands * rows * columns;
      const std::int64_t left = band % bands * block, right = std::min(left + block, columns);
      for (std::int64_t top = 0; top < rows; top += block)
        for (std::int64_t c = left; c < right; c += tile)
          for (std::int64_t r = top; r < std::min(top + block, rows); r += tile)
            detail::transpose_tile(from + r * columns + c, columns, to + c * rows + r, rows, std::min(tile, rows - r),
                                   std::min(tile, right - c));
    }
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
