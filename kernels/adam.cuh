/// Adam's step, element by element; see kernels/parameters.cuh. The formulas are those of cpu/adam.hpp, fused where
/// those are.
#pragma once
#include "kernels/parameters.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// Arrays: weight, gradient, first moment, second moment and, with AMSGrad, the largest second moment. Numbers: -rate,
/// l2, -decay.
template <bool amsgrad>
struct AdamUpdate {
  static constexpr Form form{
      .arrays = amsgrad ? 5 : 4, .writes = amsgrad ? 0b11101u : 0b1101u, .gradient = 1, .clears = true};
  float beta1, beta2, rest1, rest2, epsilon;

  __device__ bool begin(int) { return true; }
  __device__ void operator()(float (&x)[form.arrays], const float (&number)[3], float (&)[2]) const {
    const float w = x[0], g = fmaf(number[1], w, x[1]);
    const float m = without_tiny(fmaf(beta1, x[2], rest1 * g), least_moment);
    float v = without_tiny(fmaf(beta2, x[3], rest2 * (g * g)), least_square);
    x[2] = m, x[3] = v;
    if constexpr (amsgrad) {
      v = x[4] > v ? x[4] : v;
      x[4] = v;
    }
    const float root = sqrtf(v) + epsilon;
    x[0] = fmaf(number[0], m / (root < least_root ? least_root : root), fmaf(number[2], w, w));
  }
};

}  // namespace quern::inline QUERN_ABI::kernels
