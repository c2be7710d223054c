/// CPU bodies of concat: columns of one matrix copied beside those of another.
///
///   cpu::copy_columns(part.rows(), y.rows(), column);
#pragma once
#include <cstring>

#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// y(:, at … at+C-1) = x [rows, C]
template <class T>
void copy_columns(View<const T, 2> x, View<T, 2> y, std::int64_t at) {
  if (x.size() == 0) return;
  for (std::int64_t r = 0; r < x.extent(0); ++r)
    std::memcpy(y.row(r) + at, x.row(r), std::size_t(x.extent(1)) * sizeof(T));
}

/// y [rows, C] = x(:, at … at+C-1)
template <class T>
void take_columns(View<const T, 2> x, View<T, 2> y, std::int64_t at) {
  if (y.size() == 0) return;
  for (std::int64_t r = 0; r < y.extent(0); ++r)
    std::memcpy(y.row(r), x.row(r) + at, std::size_t(y.extent(1)) * sizeof(T));
}

}  // namespace quern::inline QUERN_ABI::cpu
