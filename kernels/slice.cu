#include <quern/cuda/slice.hpp>

#include "kernels/slice.cuh"

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void slice(View<const T, 2> x, View<T, 2> y, std::int64_t at) {
  constexpr std::int64_t size = sizeof(T);
  kernels::ColumnParts p{
      .whole = const_cast<T*>(x.data), .rows = x.extent(0), .stride = x.extent(1) * size, .part = {}};
  p.part[0] = {y.data, at * size, {.width = y.extent(1) * size, .lanes = 1, .chunks = 1}};
  kernels::copy_columns("slice", p, 1, false);
}
template <class T>
void slice_backward(View<const T, 2> dy, View<T, 2> dx, std::int64_t at) {
  kernels::add_columns("slice_backward", dy, dx.data + at, dx.extent(1));
}

#define QUERN_INSTANTIATE(T)                                       \
  template void slice(View<const T, 2>, View<T, 2>, std::int64_t); \
  template void slice_backward(View<const T, 2>, View<T, 2>, std::int64_t);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
