/// What the launchers ask before they launch kernels of their own: whether NVIDIA's library has done it. Each function
/// gives false where the backend is Quern's own, or the program was built without the library.
///
///   if (vendor::matmul(a, ta, b, tb, y, bias, activation)) return;
#pragma once
#include <quern/base/activation.hpp>
#include <quern/base/dtype.hpp>
#include <quern/cuda/backend.hpp>
#include <quern/cuda/matmul.hpp>

namespace quern::inline QUERN_ABI::cuda::vendor {

#if defined(QUERN_WITH_CUBLAS)
/// y = act(op(a) op(b) + bias), by cuBLASLt; bias [columns of y] or null.
template <class T>
bool matmul(View<const T, 2> a, Transpose ta, View<const T, 2> b, Transpose tb, View<T, 2> y, const T* bias = nullptr,
            Activation activation = Activation::none);
#else
template <class... Arguments>
bool matmul(const Arguments&...) {
  return false;
}
#endif

#if defined(QUERN_WITH_CUDNN)
/// Along the last axis, by cuDNN.
template <class T>
bool softmax(View<const T, 2> x, View<T, 2> y);
#else
template <class... Arguments>
bool softmax(const Arguments&...) {
  return false;
}
#endif

}  // namespace quern::inline QUERN_ABI::cuda::vendor
