/// Launchers of layer_norm_residual, for float and bf16; the kernels are those of layer_norm, over the rows of
/// kernels/layer_norm_residual.cuh. As in cpu/layer_norm_residual.hpp, but the mask comes as its address.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/philox.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void layer_norm_residual(View<const T, 2> x, View<const T, 2> residual, double p, RandomStream stream,
                         View<const T, 1> weight, View<const T, 1> bias, double eps, View<T, 2> y, float* mean,
                         float* rstd);
/// `dresidual` may be the memory of `dx` where nothing is dropped: the two gradients are equal then.
template <class T>
void layer_norm_residual_backward(View<const T, 2> dy, View<const T, 2> x, View<const T, 2> residual, double p,
                                  RandomStream stream, View<const T, 1> weight, const float* mean, const float* rstd,
                                  View<T, 2> dx, View<T, 2> dresidual, View<T, 1> dweight, View<T, 1> dbias);

/// The same by the slow, obvious kernels, which the fast ones are tested against.
template <class T>
void layer_norm_residual_plain(View<const T, 2> x, View<const T, 2> residual, double p, RandomStream stream,
                               View<const T, 1> weight, View<const T, 1> bias, double eps, View<T, 2> y, float* mean,
                               float* rstd);
template <class T>
void layer_norm_residual_backward_plain(View<const T, 2> dy, View<const T, 2> x, View<const T, 2> residual, double p,
                                        RandomStream stream, View<const T, 1> weight, const float* mean,
                                        const float* rstd, View<T, 2> dx, View<T, 2> dresidual, View<T, 1> dweight,
                                        View<T, 1> dbias);

}  // namespace quern::inline QUERN_ABI::cuda
