/// Kernels of sigmoid, element by element; see kernels/elementwise.cuh.
#pragma once
#include "kernels/activations.cuh"
#include "kernels/elementwise.cuh"

namespace quern::inline QUERN_ABI::kernels {

template <class T>
struct Sigmoid {
  __device__ float operator()(float x) const { return logistic<T>(x); }
};
struct SigmoidBackward {
  __device__ float operator()(float dy, float y) const { return dy * (y * (1.f - y)); }
};

}  // namespace quern::inline QUERN_ABI::kernels
