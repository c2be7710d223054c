/// Kernels of tanh, element by element; see kernels/elementwise.cuh.
#pragma once
#include "kernels/elementwise.cuh"

namespace quern::inline QUERN_ABI::kernels {

struct Tanh {
  __device__ float operator()(float x) const { return tanhf(x); }
};
struct TanhBackward {
  __device__ float operator()(float dy, float y) const { return dy * (1.f - y * y); }
};

}  // namespace quern::inline QUERN_ABI::kernels
