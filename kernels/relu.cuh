/// Kernels of relu, element by element; see kernels/elementwise.cuh.
#pragma once
#include "kernels/elementwise.cuh"

namespace quern::inline QUERN_ABI::kernels {

struct Relu {
  __device__ float operator()(float x) const { return x < 0 ? 0.f : x; }  // NaN stays, and -0, as on the CPU
};
struct ReluBackward {
  __device__ float operator()(float dy, float y) const { return y > 0 ? dy : 0.f; }
};

}  // namespace quern::inline QUERN_ABI::kernels
