#include "kernels/scale.cuh"

#include <quern/cuda/scale.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void scale(View<const T, 2> x, double factor, View<T, 2> y) {
  kernels::elementwise("scale", y.data, y.size(), kernels::Scale{float(factor)}, x.data);
}

#define QUERN_INSTANTIATE(T) template void scale(View<const T, 2>, double, View<T, 2>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
