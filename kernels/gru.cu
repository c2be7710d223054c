#include "kernels/gru.cuh"

#include <quern/cuda/gru.hpp>

#include "kernels/recurrent_launch.cuh"

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void gru(View<T, 2> gates, View<const T, 2> weight, View<const T, 1> bias, View<const std::int64_t, 1> offsets,
         bool reverse, View<T, 2> hidden, View<T, 2> y) {
  const auto across = kernels::transposed(weight);
  kernels::launch("gru", kernels::gru<T>, kernels::block_for_each_text(offsets, y.extent(1), 2), gates, across.data(),
                  bias, offsets, reverse, hidden, y);
}
template <class T>
void gru_backward(View<const T, 2> dy, View<const T, 2> gates, View<const T, 2> hidden, View<const T, 2> y,
                  View<const T, 2> weight, View<const std::int64_t, 1> offsets, bool reverse, View<T, 2> dinput,
                  View<T, 2> dhidden) {
  kernels::launch("gru_backward", kernels::gru_backward<T>, kernels::block_for_each_text(offsets, dy.extent(1), 7), dy,
                  gates, hidden, y, weight.data, offsets, reverse, dinput, dhidden);
}

#define QUERN_INSTANTIATE(T)                                                                                           \
  template void gru(View<T, 2>, View<const T, 2>, View<const T, 1>, View<const std::int64_t, 1>, bool, View<T, 2>,     \
                    View<T, 2>);                                                                                       \
  template void gru_backward(View<const T, 2>, View<const T, 2>, View<const T, 2>, View<const T, 2>, View<const T, 2>, \
                             View<const std::int64_t, 1>, bool, View<T, 2>, View<T, 2>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
