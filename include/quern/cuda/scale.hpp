/// Launchers of scale; the kernels stand in kernels/scale.cuh. Signatures as in cpu/scale.hpp, for float and bf16.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void scale(View<const T, 2> x, double factor, View<T, 2> y);

}  // namespace quern::inline QUERN_ABI::cuda
