#include "kernels/mean_over_time.cuh"

#include <quern/cuda/mean_over_time.hpp>
#include <quern/cuda/runtime.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void mean_over_time(View<const T, 2> x, View<const std::int64_t, 1> offsets, View<T, 2> y) {
  const std::int64_t tiles = (y.extent(1) + kernels::warp_size - 1) / kernels::warp_size;
  kernels::launch(
      "mean_over_time", kernels::mean_over_time<T>,
      {.grid = {unsigned(y.extent(0) * tiles)}, .block = {256}, .shared = 8 * kernels::warp_size * sizeof(float)}, x,
      offsets, y, fault(), "mean_over_time");
}
template <class T>
void mean_over_time_backward(View<const T, 2> dy, View<const std::int64_t, 1> offsets, View<T, 2> dx) {
  kernels::launch("mean_over_time_backward", kernels::mean_over_time_backward<T>,
                  {.grid = {unsigned(dy.extent(0))}, .block = {256}}, dy, offsets, dx);
}

#define QUERN_INSTANTIATE(T)                                                               \
  template void mean_over_time(View<const T, 2>, View<const std::int64_t, 1>, View<T, 2>); \
  template void mean_over_time_backward(View<const T, 2>, View<const std::int64_t, 1>, View<T, 2>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
