#include "kernels/softplus.cuh"

#include <quern/cuda/softplus.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void softplus(View<const T, 2> x, View<T, 2> y) {
  kernels::elementwise("softplus", y.data, y.size(), kernels::Softplus<T>{}, x.data);
}
template <class T>
void softplus_backward(View<const T, 2> dy, View<const T, 2> x, View<T, 2> dx) {
  kernels::elementwise("softplus_backward", dx.data, dx.size(), kernels::SoftplusBackward<T>{}, dy.data, x.data);
}

#define QUERN_INSTANTIATE(T)                            \
  template void softplus(View<const T, 2>, View<T, 2>); \
  template void softplus_backward(View<const T, 2>, View<const T, 2>, View<T, 2>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
