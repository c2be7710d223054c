#include "kernels/max_over_time.cuh"

#include <quern/cuda/max_over_time.hpp>
#include <quern/cuda/runtime.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void max_over_time(View<const T, 2> x, View<const std::int64_t, 1> offsets, View<T, 2> y, View<std::int32_t, 2> where) {
  const std::int64_t tiles = (y.extent(1) + kernels::warp_size - 1) / kernels::warp_size;
  kernels::launch("max_over_time", kernels::max_over_time<T>,
                  {.grid = {unsigned(y.extent(0) * tiles)},
                   .block = {256},
                   .shared = 8 * kernels::warp_size * sizeof(kernels::Indexed<float>)},
                  x, offsets, y, where, fault(), "max_over_time");
}
template <class T>
void max_over_time_backward(View<const T, 2> dy, View<const std::int64_t, 1> offsets, View<const std::int32_t, 2> where,
                            View<T, 2> dx) {
  kernels::launch("max_over_time_backward", kernels::max_over_time_backward<T>,
                  {.grid = {unsigned(dy.extent(0))}, .block = {256}}, dy, offsets, where, dx);
}

#define QUERN_INSTANTIATE(T)                                                                                       \
  template void max_over_time(View<const T, 2>, View<const std::int64_t, 1>, View<T, 2>, View<std::int32_t, 2>);   \
  template void max_over_time_backward(View<const T, 2>, View<const std::int64_t, 1>, View<const std::int32_t, 2>, \
                                       View<T, 2>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
