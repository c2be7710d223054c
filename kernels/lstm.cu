#include "kernels/lstm.cuh"

#include <quern/cuda/lstm.hpp>

#include "kernels/recurrent_launch.cuh"

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void lstm(View<T, 2> gates, View<const T, 2> weight, View<const T, 1> bias, View<const std::int64_t, 1> offsets,
          bool reverse, View<float, 2> cells, View<T, 2> y) {
  const auto across = kernels::transposed(weight);
  kernels::launch("lstm", kernels::lstm<T>, kernels::block_for_each_text(offsets, y.extent(1), 3), gates, across.data(),
                  bias, offsets, reverse, cells, y);
}
template <class T>
void lstm_backward(View<const T, 2> dy, View<const T, 2> gates, View<const float, 2> cells, View<const T, 2> weight,
                   View<const std::int64_t, 1> offsets, bool reverse, View<T, 2> dgates) {
  kernels::launch("lstm_backward", kernels::lstm_backward<T>, kernels::block_for_each_text(offsets, dy.extent(1), 9),
                  dy, gates, cells, weight.data, offsets, reverse, dgates);
}

#define QUERN_INSTANTIATE(T)                                                                              \
  template void lstm(View<T, 2>, View<const T, 2>, View<const T, 1>, View<const std::int64_t, 1>, bool,   \
                     View<float, 2>, View<T, 2>);                                                         \
  template void lstm_backward(View<const T, 2>, View<const T, 2>, View<const float, 2>, View<const T, 2>, \
                              View<const std::int64_t, 1>, bool, View<T, 2>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
