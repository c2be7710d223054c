#include "kernels/sigmoid.cuh"

#include <quern/cuda/sigmoid.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void sigmoid(View<const T, 2> x, View<T, 2> y) {
  kernels::elementwise("sigmoid", y.data, y.size(), kernels::Sigmoid<T>{}, x.data);
}
template <class T>
void sigmoid_backward(View<const T, 2> dy, View<const T, 2> y, View<T, 2> dx) {
  kernels::elementwise("sigmoid_backward", dx.data, dx.size(), kernels::SigmoidBackward{}, dy.data, y.data);
}

#define QUERN_INSTANTIATE(T)                           \
  template void sigmoid(View<const T, 2>, View<T, 2>); \
  template void sigmoid_backward(View<const T, 2>, View<const T, 2>, View<T, 2>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
