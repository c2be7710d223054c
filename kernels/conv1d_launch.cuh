/// Host side that conv1d and its fused form share: the operands of their products.
#pragma once
#include <quern/cuda/conv1d.hpp>
#include <quern/cuda/runtime.hpp>
#include <quern/tensor/pool.hpp>

#include "kernels/conv1d.cuh"
#include "kernels/matmul_launch.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// A line of windows, or of a gradient, is cut where a row of x ends: packs must end there too.
template <class T, bool k_inside>
int widest_pack(const WindowsOperand<T, k_inside>& operand) {
  return widest_pack<T>(operand.data, operand.columns.divisor);
}
template <class T>
int widest_pack(const CoveringWindows<T>& operand) {
  return widest_pack<T>(operand.data, operand.filters.divisor);
}
template <class T>
int widest_pack(const TapsOperand<T>& operand) {
  return widest_pack<T>(operand.data, operand.columns);
}

template <class T, bool k_inside>
WindowsOperand<T, k_inside> windows_of(View<const T, 2> x, const cuda::WindowPlaces& places) {
  return {x.data, places.source.data, Divisor(x.extent(1))};
}

/// Threads count windows in 32 bits.
inline void require_countable(const char* op, std::int64_t lines, std::int64_t inside) {
  require(std::max(lines, inside) <= largest_extent, op, ": ", lines, " windows of ", inside, " elements; at most ",
          largest_extent, " each");
}

inline unsigned blocks_of_256(std::int64_t n) { return unsigned((n + 255) / 256); }

}  // namespace quern::inline QUERN_ABI::kernels
