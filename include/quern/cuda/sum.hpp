/// Launchers of sum and mean; the kernels stand in kernels/sum.cuh. As in cpu/sum.hpp, for float and bf16; what is one
/// number there, stands in the device's memory here.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void sum(View<const T, 3> x, View<T, 2> y, float divisor);
template <class T>
void sum_backward(View<const T, 2> dy, View<T, 3> dx, float factor);

/// *y = Σ x / divisor
template <class T>
void sum_all(const T* x, std::int64_t n, double divisor, T* y);
/// dx = *dy · factor everywhere.
template <class T>
void sum_all_backward(const T* dy, T* dx, std::int64_t n, float factor);

}  // namespace quern::inline QUERN_ABI::cuda
