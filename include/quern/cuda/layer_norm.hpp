/// Launchers of layer_norm; the kernels stand in kernels/layer_norm.cuh. Signatures as in cpu/layer_norm.hpp, for float
/// and bf16.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void layer_norm(View<const T, 2> x, View<const T, 1> weight, View<const T, 1> bias, double eps, View<T, 2> y,
                float* mean, float* rstd);
template <class T>
void layer_norm_backward(View<const T, 2> dy, View<const T, 2> x, View<const T, 1> weight, const float* mean,
                         const float* rstd, View<T, 2> dx, View<T, 1> dweight, View<T, 1> dbias);

/// The same by the slow, obvious kernels, which the fast ones are tested against.
template <class T>
void layer_norm_plain(View<const T, 2> x, View<const T, 1> weight, View<const T, 1> bias, double eps, View<T, 2> y,
                      float* mean, float* rstd);
template <class T>
void layer_norm_backward_plain(View<const T, 2> dy, View<const T, 2> x, View<const T, 1> weight, const float* mean,
                               const float* rstd, View<T, 2> dx, View<T, 1> dweight, View<T, 1> dbias);

}  // namespace quern::inline QUERN_ABI::cuda
