/// Launchers of tanh; the kernels stand in kernels/tanh.cuh. Signatures as in cpu/tanh.hpp, for float and bf16.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void tanh(View<const T, 2> x, View<T, 2> y);
template <class T>
void tanh_backward(View<const T, 2> dy, View<const T, 2> y, View<T, 2> dx);

}  // namespace quern::inline QUERN_ABI::cuda
