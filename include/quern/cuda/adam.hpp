/// Launchers of Adam over many parameters at once; the kernels stand in kernels/adam.cuh. For float and bf16.
#pragma once
#include <quern/base/dtype.hpp>

namespace quern::inline QUERN_ABI::cuda {

/// One parameter of `size` elements in rows of `width`. `rate` includes the bias corrections.
template <class T>
struct AdamParameter {
  T *weight, *gradient, *first, *second, *largest;  // largest: null without AMSGrad, for all parameters of a list
  char* marks;                                      // of the gradient's rows; null: all of them count
  std::int64_t size, width;
  double rate, l2, decay;  // l2 times the weight is added to the gradient, decay times the weight taken off it
};
struct AdamSettings {
  double beta1, beta2, epsilon;  // epsilon includes the bias correction
};

/// One step; gradients and marks are clear afterwards.
template <class T>
void adam(const AdamParameter<T>* parameters, std::int64_t n, const AdamSettings& settings);

}  // namespace quern::inline QUERN_ABI::cuda
