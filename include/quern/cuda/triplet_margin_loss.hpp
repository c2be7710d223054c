/// Launchers of triplet_margin_loss; the kernels stand in kernels/triplet_margin_loss.cuh. As in
/// cpu/triplet_margin_loss.hpp, for float and bf16; what is one number there, stands in the device's memory here.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void triplet_margin_loss(View<const T, 2> anchors, View<const T, 2> positives, View<const T, 2> negatives,
                         double margin, T* loss);
template <class T>
void triplet_margin_loss_backward(const T* dloss, View<const T, 2> anchors, View<const T, 2> positives,
                                  View<const T, 2> negatives, double margin, View<T, 2> danchors, View<T, 2> dpositives,
                                  View<T, 2> dnegatives);

}  // namespace quern::inline QUERN_ABI::cuda
