#include <quern/cuda/ascend.hpp>
#include <quern/cuda/runtime.hpp>

#include "kernels/ascend.cuh"

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void ascend(View<T, 2> r, View<const T, 2> gradient, View<const std::int64_t, 1> offsets, double step, double epsilon) {
  kernels::launch("ascend", kernels::ascend<T>,
                  {.grid = {unsigned(offsets.size() - 1)}, .block = {256}, .shared = sizeof(kernels::AscendShared)}, r,
                  gradient, offsets, step, epsilon);
}
template void ascend(View<float, 2>, View<const float, 2>, View<const std::int64_t, 1>, double, double);
template void ascend(View<bf16, 2>, View<const bf16, 2>, View<const std::int64_t, 1>, double, double);

}  // namespace quern::inline QUERN_ABI::cuda
