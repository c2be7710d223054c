/// Kernels of mul, element by element; see kernels/elementwise.cuh.
#pragma once
#include "kernels/elementwise.cuh"

namespace quern::inline QUERN_ABI::kernels {

struct Mul {
  __device__ float operator()(float a, float b) const { return a * b; }
};

}  // namespace quern::inline QUERN_ABI::kernels
