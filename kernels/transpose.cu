#include <quern/cuda/transpose.hpp>

#include "kernels/transpose.cuh"

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void transpose(View<const T, 3> x, View<T, 3> y) {
  using namespace kernels;
  constexpr std::int64_t tile = transpose_tile<T>;
  const std::int64_t rows = x.extent(1), columns = x.extent(2);
  const auto whole = [](const T* p, std::int64_t extent) {
    return std::uintptr_t(p) % 4 == 0 && extent % transpose_word<T> == 0;
  };
  launch("transpose", kernels::transpose<T>,
         {.grid = {unsigned(x.extent(0) * ((rows + tile - 1) / tile) * ((columns + tile - 1) / tile))},
          .block = {transpose_threads},
          .shared = sizeof(TransposeShared<T>)},
         x, y, whole(x.data, columns), whole(y.data, rows));
}
template <class T>
void transpose_slow(View<const T, 3> x, View<T, 3> y) {
  kernels::launch("transpose_slow", kernels::transpose_slow<T>,
                  {.grid = {unsigned((y.size() + 127) / 128)}, .block = {128}}, x, y);
}

#define QUERN_INSTANTIATE(T)                             \
  template void transpose(View<const T, 3>, View<T, 3>); \
  template void transpose_slow(View<const T, 3>, View<T, 3>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
