/// Launchers of slice; the kernels stand in kernels/slice.cuh. Signatures as in cpu/slice.hpp, for float and bf16.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void slice(View<const T, 2> x, View<T, 2> y, std::int64_t at);
template <class T>
void slice_backward(View<const T, 2> dy, View<T, 2> dx, std::int64_t at);

}  // namespace quern::inline QUERN_ABI::cuda
