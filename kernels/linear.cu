#include "kernels/linear.cuh"

#include <quern/cuda/linear.hpp>
#include <quern/cuda/matmul.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void linear(View<const T, 2> x, View<const T, 2> weight, const T* bias, Activation activation, View<T, 2> y) {
  const auto function = activation == Activation::relu ? MatmulFunction::relu : MatmulFunction::none;
  matmul<T>(x, Transpose::no, weight, Transpose::yes, y, {.bias = bias, .function = function});
}

template <class T>
void sum_rows(View<const T, 2> x, View<T, 1> sums) {
  kernels::column_sum("sum_rows", kernels::RowsOf<T>{x.data, x.extent(1)},
                      kernels::widest_pack_of_columns<T>(x.data, x.extent(1)), x.extent(0), x.extent(1), sums.data);
}

#define QUERN_INSTANTIATE(T)                                                                  \
  template void linear(View<const T, 2>, View<const T, 2>, const T*, Activation, View<T, 2>); \
  template void sum_rows(View<const T, 2>, View<T, 1>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
