/// Launchers of focal_loss; the kernels stand in kernels/focal_loss.cuh. As in
/// cpu/focal_loss.hpp, for float and bf16; what is one number there, stands in the device's memory here. Labels and
/// weights are checked by the kernels, and what is wrong with them is thrown at the next synchronisation.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void focal_loss(View<const T, 2> logits, View<const std::int32_t, 1> labels, const T* alpha, double gamma,
                View<float, 2> probabilities, View<double, 1> slopes, T* loss);
template <class T>
void focal_loss_backward(const T* dloss, View<const float, 2> probabilities, View<const std::int32_t, 1> labels,
                         View<const double, 1> slopes, View<T, 2> dlogits);

}  // namespace quern::inline QUERN_ABI::cuda
