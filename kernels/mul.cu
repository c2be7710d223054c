#include "kernels/mul.cuh"

#include <quern/cuda/mul.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void mul(View<const T, 2> a, View<const T, 2> b, View<T, 2> y) {
  kernels::elementwise("mul", y.data, y.size(), kernels::Mul{}, a.data, b.data);
}

#define QUERN_INSTANTIATE(T) template void mul(View<const T, 2>, View<const T, 2>, View<T, 2>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
