/// The launcher that lstm and gru share; the kernel stands in kernels/recurrent.cuh. Signature as in cpu/recurrent.hpp,
/// for float and bf16.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void rows_before(View<const T, 2> y, View<const std::int64_t, 1> offsets, bool reverse, View<T, 2> before);

}  // namespace quern::inline QUERN_ABI::cuda
