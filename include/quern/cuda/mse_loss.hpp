/// Launchers of mse_loss; the kernels stand in kernels/mse_loss.cuh. As in
/// cpu/mse_loss.hpp, for float and bf16; what is one number there, stands in the device's memory here.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void mse_loss(View<const T, 2> predictions, View<const T, 2> targets, T* loss);
template <class T>
void mse_loss_backward(const T* dloss, View<const T, 2> predictions, View<const T, 2> targets, View<T, 2> dpredictions);

}  // namespace quern::inline QUERN_ABI::cuda
