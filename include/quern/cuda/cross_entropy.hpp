/// Launchers of cross_entropy; the kernels stand in kernels/cross_entropy.cuh. As in cpu/cross_entropy.hpp, for float
/// and bf16; what is one number there, stands in the device's memory here. Labels and weights are checked by the
/// kernels, and what is wrong with them is thrown at the next synchronisation.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

/// `totals` [2] receives Σ_b w(label b) and Σ_c w(c), which the backward pass needs.
template <class T>
void cross_entropy(View<const T, 2> logits, View<const std::int32_t, 1> labels, const T* weights, double smoothing,
                   View<float, 2> probabilities, double* totals, T* loss);
template <class T>
void cross_entropy_backward(const T* dloss, View<const float, 2> probabilities, View<const std::int32_t, 1> labels,
                            const T* weights, double smoothing, const double* totals, View<T, 2> dlogits);

}  // namespace quern::inline QUERN_ABI::cuda
