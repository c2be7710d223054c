/// CPU bodies of positions.
///
///   cpu::token_positions(offsets.view(), y.view());
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>

#include <quern/cpu/loops.hpp>
#include <quern/tensor/tensor.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// y(i) = i - offsets(b) for the tokens i of text b.
inline void token_positions(View<const std::int64_t, 1> offsets, View<std::int32_t, 1> y) {
  for (std::int64_t b = 0; b + 1 < offsets.size(); ++b)
    for (std::int64_t i = offsets(b); i < offsets(b + 1); ++i) y(i) = std::int32_t(i - offsets(b));
}

/// y(b) = offsets(b).
inline void first_rows(View<const std::int64_t, 1> offsets, View<std::int32_t, 1> y) {
  for (std::int64_t b = 0; b < y.size(); ++b) y(b) = std::int32_t(offsets(b));
}

/// y(i, 2c) = sin(p / 10000^(2c/E)), y(i, 2c+1) = cos of the same, p the place of token i in its text: computed once
/// for each place, in double, then copied.
template <class T>
void sinusoidal_positions(View<const std::int64_t, 1> offsets, View<T, 2> y) {
  const std::int64_t width = y.extent(1);
  std::int64_t longest = 0;
  for (std::int64_t b = 0; b + 1 < offsets.size(); ++b) longest = std::max(longest, offsets(b + 1) - offsets(b));
  auto table = Tensor<T, 2>::empty({longest, width});
  parallel_for(longest, row_grain(width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = 0; c < width; c += 2) {
      const double frequency = std::pow(10000.0, -double(c) / double(width));
      for (std::int64_t p = begin; p < end; ++p) {
        table(p, c) = T(std::sin(double(p) * frequency));
        if (c + 1 < width) table(p, c + 1) = T(std::cos(double(p) * frequency));
      }
    }
  });
  for (std::int64_t b = 0; b + 1 < offsets.size(); ++b)
    if (const std::int64_t n = offsets(b + 1) - offsets(b); n > 0 && width > 0)
      std::memcpy(static_cast<void*>(y.row(offsets(b))), table.data(), std::size_t(n * width) * sizeof(T));
}

}  // namespace quern::inline QUERN_ABI::cpu
