/// Kernels of mse_loss: what kernels/reduce.cuh and kernels/elementwise.cuh compute for it.
#pragma once
#include "kernels/elementwise.cuh"
#include "kernels/reduce.cuh"

namespace quern::inline QUERN_ABI::kernels {

struct SquaredDifference {
  __device__ __forceinline__ float operator()(std::int64_t, float x, float y) const { return (x - y) * (x - y); }
};

/// dx = dloss · 2/n (x - y)
template <class T>
struct MseLossBackward {
  const T* dloss;
  float factor;  // 2/n
  __device__ __forceinline__ float operator()(float x, float y) const { return float(*dloss) * factor * (x - y); }
};

}  // namespace quern::inline QUERN_ABI::kernels
