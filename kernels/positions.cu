#include "kernels/positions.cuh"

#include <quern/cuda/positions.hpp>
#include <quern/cuda/runtime.hpp>

namespace quern::inline QUERN_ABI::cuda {

void token_positions(View<const std::int64_t, 1> offsets, View<std::int32_t, 1> y) {
  if (y.size() == 0) return;
  kernels::launch("token_positions", kernels::token_positions, {.grid = {unsigned(offsets.size() - 1)}, .block = {256}},
                  offsets, y);
}
void first_rows(View<const std::int64_t, 1> offsets, View<std::int32_t, 1> y) {
  if (y.size() == 0) return;
  kernels::launch("first_rows", kernels::first_rows, {.grid = {unsigned((y.size() + 255) / 256)}, .block = {256}},
                  offsets, y, fault(), "first_rows");
}
template <class T>
void sinusoidal_positions(View<const std::int64_t, 1> offsets, View<T, 2> y) {
  if (y.size() == 0) return;
  kernels::launch("sinusoidal_positions", kernels::sinusoidal_positions<T>,
                  {.grid = {unsigned(offsets.size() - 1), unsigned((y.extent(1) + 511) / 512)}, .block = {256}},
                  offsets, y);
}
template void sinusoidal_positions(View<const std::int64_t, 1>, View<float, 2>);
template void sinusoidal_positions(View<const std::int64_t, 1>, View<bf16, 2>);

}  // namespace quern::inline QUERN_ABI::cuda
