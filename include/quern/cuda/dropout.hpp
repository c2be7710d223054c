/// Launchers of dropout; the kernels stand in kernels/dropout.cuh. Signatures as in cpu/dropout.hpp, for float and
/// bf16.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/random.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void dropout(View<const T, 2> x, View<T, 2> y, double p, const Random& random, std::uint32_t op);

/// The same, where each thread draws for one element: what the fast one is tested against.
template <class T>
void dropout_slow(View<const T, 2> x, View<T, 2> y, double p, const Random& random, std::uint32_t op);

}  // namespace quern::inline QUERN_ABI::cuda
