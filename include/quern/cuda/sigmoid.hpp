/// Launchers of sigmoid; the kernels stand in kernels/sigmoid.cuh. Signatures as in cpu/sigmoid.hpp, for float and
/// bf16.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void sigmoid(View<const T, 2> x, View<T, 2> y);
template <class T>
void sigmoid_backward(View<const T, 2> dy, View<const T, 2> y, View<T, 2> dx);

}  // namespace quern::inline QUERN_ABI::cuda
