/// Launchers of gru; the kernels stand in kernels/gru.cuh. Signatures as in cpu/gru.hpp, for float and bf16.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void gru(View<T, 2> gates, View<const T, 2> weight, View<const T, 1> bias, View<const std::int64_t, 1> offsets,
         bool reverse, View<T, 2> hidden, View<T, 2> y);
template <class T>
void gru_backward(View<const T, 2> dy, View<const T, 2> gates, View<const T, 2> hidden, View<const T, 2> y,
                  View<const T, 2> weight, View<const std::int64_t, 1> offsets, bool reverse, View<T, 2> dinput,
                  View<T, 2> dhidden);

}  // namespace quern::inline QUERN_ABI::cuda
