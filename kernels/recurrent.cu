#include "kernels/recurrent.cuh"

#include "kernels/recurrent_launch.cuh"

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void rows_before(View<const T, 2> y, View<const std::int64_t, 1> offsets, bool reverse, View<T, 2> before) {
  kernels::launch("rows_before", kernels::rows_before<T>, {.grid = {unsigned(offsets.extent(0) - 1)}, .block = {256}},
                  y, offsets, reverse, before);
}

#define QUERN_INSTANTIATE(T) template void rows_before(View<const T, 2>, View<const std::int64_t, 1>, bool, View<T, 2>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
