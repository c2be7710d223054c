/// Launchers of positions; the kernels stand in kernels/positions.cuh. Signatures as in cpu/positions.hpp. A text
/// without rows is found by the kernel of first_rows, and thrown at the next synchronisation.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

void token_positions(View<const std::int64_t, 1> offsets, View<std::int32_t, 1> y);
void first_rows(View<const std::int64_t, 1> offsets, View<std::int32_t, 1> y);
/// For float and bf16.
template <class T>
void sinusoidal_positions(View<const std::int64_t, 1> offsets, View<T, 2> y);

}  // namespace quern::inline QUERN_ABI::cuda
