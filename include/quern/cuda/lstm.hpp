/// Launchers of lstm; the kernels stand in kernels/lstm.cuh. Signatures as in cpu/lstm.hpp, for float and bf16.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void lstm(View<T, 2> gates, View<const T, 2> weight, View<const T, 1> bias, View<const std::int64_t, 1> offsets,
          bool reverse, View<float, 2> cells, View<T, 2> y);
template <class T>
void lstm_backward(View<const T, 2> dy, View<const T, 2> gates, View<const float, 2> cells, View<const T, 2> weight,
                   View<const std::int64_t, 1> offsets, bool reverse, View<T, 2> dgates);

}  // namespace quern::inline QUERN_ABI::cuda
