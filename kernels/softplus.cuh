/// Kernels of softplus, element by element; see kernels/elementwise.cuh.
#pragma once
#include "kernels/activations.cuh"
#include "kernels/elementwise.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// max(x, 0) + ln(1 + e^-|x|): the exponential is at most 1. NaN comes by way of the second term.
template <class T>
struct Softplus {
  __device__ float operator()(float x) const { return (x > 0 ? x : 0.f) + log1pf(exponential<T>(-fabsf(x))); }
};
template <class T>
struct SoftplusBackward {
  __device__ float operator()(float dy, float x) const { return dy * logistic<T>(x); }
};

}  // namespace quern::inline QUERN_ABI::kernels
