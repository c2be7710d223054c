/// Launchers of gelu; the kernels stand in kernels/gelu.cuh. Signatures as in cpu/gelu.hpp, for float and bf16.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void gelu_erf(View<const T, 2> x, View<T, 2> y);
template <class T>
void gelu_erf_backward(View<const T, 2> dy, View<const T, 2> x, View<T, 2> dx);
template <class T>
void gelu_tanh(View<const T, 2> x, View<T, 2> y);
template <class T>
void gelu_tanh_backward(View<const T, 2> dy, View<const T, 2> x, View<T, 2> dx);

/// dx as above, and dbias [C], the sums of its columns: the gradient of the bias that was added to make x. dy and x are
/// read once. Sums are kept in float, of unrounded dx, in an order that the shape alone decides. dx is none of dy and
/// x.
template <class T>
void gelu_erf_backward_bias(View<const T, 2> dy, View<const T, 2> x, View<T, 2> dx, View<T, 1> dbias);
template <class T>
void gelu_tanh_backward_bias(View<const T, 2> dy, View<const T, 2> x, View<T, 2> dx, View<T, 1> dbias);

/// The same by one thread a column: what the fast ones are tested against.
template <class T>
void gelu_erf_backward_bias_slow(View<const T, 2> dy, View<const T, 2> x, View<T, 2> dx, View<T, 1> dbias);
template <class T>
void gelu_tanh_backward_bias_slow(View<const T, 2> dy, View<const T, 2> x, View<T, 2> dx, View<T, 1> dbias);

}  // namespace quern::inline QUERN_ABI::cuda
