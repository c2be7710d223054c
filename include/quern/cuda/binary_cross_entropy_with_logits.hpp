/// Launchers of binary_cross_entropy_with_logits; the kernels stand in kernels/binary_cross_entropy_with_logits.cuh. As
/// in cpu/binary_cross_entropy_with_logits.hpp, for float and bf16; what is one number there, stands in the device's
/// memory here. Targets and weights are checked by the kernels, and what is wrong with them is thrown at the next
/// synchronisation.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void binary_cross_entropy_with_logits(View<const T, 2> logits, View<const T, 2> targets, const T* pos_weight,
                                      std::int64_t classes, T* loss);
template <class T>
void binary_cross_entropy_with_logits_backward(const T* dloss, View<const T, 2> logits, View<const T, 2> targets,
                                               const T* pos_weight, std::int64_t classes, View<T, 2> dlogits);

}  // namespace quern::inline QUERN_ABI::cuda
