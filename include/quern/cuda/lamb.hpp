/// Launchers of LAMB over many parameters at once; the kernels stand in kernels/lamb.cuh. For float and bf16.
#pragma once
#include <quern/base/dtype.hpp>

namespace quern::inline QUERN_ABI::cuda {

/// One parameter of `size` elements in rows of `width`.
template <class T>
struct LambParameter {
  T *weight, *gradient, *first, *second;
  char* marks;  // of the gradient's rows; null: all of them count
  std::int64_t size, width;
  double rate, decay;  // decay times the weight is added to the direction
};
struct LambSettings {
  double beta1, beta2, epsilon;  // epsilon includes the bias correction
  double correction;             // times the first moment
};

/// One step; gradients and marks are clear afterwards.
template <class T>
void lamb(const LambParameter<T>* parameters, std::int64_t n, const LambSettings& settings);

}  // namespace quern::inline QUERN_ABI::cuda
