#include "kernels/relu.cuh"

#include <quern/cuda/relu.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void relu(View<const T, 2> x, View<T, 2> y) {
  kernels::elementwise("relu", y.data, y.size(), kernels::Relu{}, x.data);
}
template <class T>
void relu_backward(View<const T, 2> dy, View<const T, 2> y, View<T, 2> dx) {
  kernels::elementwise("relu_backward", dx.data, dx.size(), kernels::ReluBackward{}, dy.data, y.data);
}

#define QUERN_INSTANTIATE(T)                        \
  template void relu(View<const T, 2>, View<T, 2>); \
  template void relu_backward(View<const T, 2>, View<const T, 2>, View<T, 2>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
