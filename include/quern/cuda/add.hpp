/// Launchers of add; the kernels stand in kernels/add.cuh. Signatures as in cpu/add.hpp, for float and bf16.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void add(View<const T, 2> a, View<const T, 2> b, View<T, 2> y);

}  // namespace quern::inline QUERN_ABI::cuda
