/// Launchers of log_softmax; the kernels stand in kernels/log_softmax.cuh. Signatures as in cpu/log_softmax.hpp, for
/// float and bf16.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void log_softmax(View<const T, 2> x, View<T, 2> y);
template <class T>
void log_softmax_backward(View<const T, 2> dy, View<const T, 2> y, View<T, 2> dx);

/// The same by the slow, obvious kernels, which the fast ones are tested against.
template <class T>
void log_softmax_plain(View<const T, 2> x, View<T, 2> y);
template <class T>
void log_softmax_backward_plain(View<const T, 2> dy, View<const T, 2> y, View<T, 2> dx);

}  // namespace quern::inline QUERN_ABI::cuda
