/// Launchers of linear: the product of kernels/matmul.cuh with bias and activation in its last step, and sums of
/// columns (kernels/column_sum.cuh). Signatures as in cpu/linear.hpp and cpu/loops.hpp, for float and bf16.
#pragma once
#include <quern/base/activation.hpp>
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void linear(View<const T, 2> x, View<const T, 2> weight, const T* bias, Activation activation, View<T, 2> y);
/// sums(c) = Σ_r x(r, c)
template <class T>
void sum_rows(View<const T, 2> x, View<T, 1> sums);

}  // namespace quern::inline QUERN_ABI::cuda
