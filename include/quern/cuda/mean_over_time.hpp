/// Launchers of mean_over_time; the kernels stand in kernels/mean_over_time.cuh. Signatures as in
/// cpu/mean_over_time.hpp, for float and bf16. A text without rows is found by the kernel, and thrown at the next
/// synchronisation.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void mean_over_time(View<const T, 2> x, View<const std::int64_t, 1> offsets, View<T, 2> y);
template <class T>
void mean_over_time_backward(View<const T, 2> dy, View<const std::int64_t, 1> offsets, View<T, 2> dx);

}  // namespace quern::inline QUERN_ABI::cuda
