/// Launchers of mul; the kernels stand in kernels/mul.cuh. Signatures as in cpu/mul.hpp, for float and bf16.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void mul(View<const T, 2> a, View<const T, 2> b, View<T, 2> y);

}  // namespace quern::inline QUERN_ABI::cuda
