/// Launchers of kl_divergence; the kernels stand in kernels/kl_divergence.cuh. As in
/// cpu/kl_divergence.hpp, for float and bf16; what is one number there, stands in the device's memory here. Targets are
/// checked by the kernel, and what is no probability is thrown at the next synchronisation.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void kl_divergence(View<const T, 2> log_probabilities, View<const T, 2> targets, T* loss);
template <class T>
void kl_divergence_backward(const T* dloss, View<const T, 2> targets, View<T, 2> dlog_probabilities);

template <class T>
void kl_divergence_with_logits(View<const T, 2> logits, View<const T, 2> target_logits, double temperature,
                               View<float, 2> difference, T* loss);
template <class T>
void kl_divergence_with_logits_backward(const T* dloss, View<const float, 2> difference, double temperature,
                                        View<T, 2> dlogits);

}  // namespace quern::inline QUERN_ABI::cuda
