/// Launchers of transpose; the kernels stand in kernels/transpose.cuh. Signatures as in cpu/transpose.hpp, for float
/// and bf16.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void transpose(View<const T, 3> x, View<T, 3> y);

/// One thread an element: what the fast one is tested against.
template <class T>
void transpose_slow(View<const T, 3> x, View<T, 3> y);

}  // namespace quern::inline QUERN_ABI::cuda
