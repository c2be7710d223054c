#include "kernels/tanh.cuh"

#include <quern/cuda/tanh.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void tanh(View<const T, 2> x, View<T, 2> y) {
  kernels::elementwise("tanh", y.data, y.size(), kernels::Tanh{}, x.data);
}
template <class T>
void tanh_backward(View<const T, 2> dy, View<const T, 2> y, View<T, 2> dx) {
  kernels::elementwise("tanh_backward", dx.data, dx.size(), kernels::TanhBackward{}, dy.data, y.data);
}

#define QUERN_INSTANTIATE(T)                        \
  template void tanh(View<const T, 2>, View<T, 2>); \
  template void tanh_backward(View<const T, 2>, View<const T, 2>, View<T, 2>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
