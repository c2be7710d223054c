/// Kernels of scale, element by element; see kernels/elementwise.cuh.
#pragma once
#include "kernels/elementwise.cuh"

namespace quern::inline QUERN_ABI::kernels {

struct Scale {
  float factor;
  __device__ float operator()(float x) const { return factor * x; }
};

}  // namespace quern::inline QUERN_ABI::kernels
