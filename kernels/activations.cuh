/// Functions of one number that element-wise kernels share. Each comes as precise as the type asks for: over float with
/// the functions of CUDA's library, 1 or 2 units in the last place; over bf16, which shows 8 bits, by the units for
/// special functions, to 2^-16 of the value or better. A float kernel waits for its memory longer than any of these
/// takes; a bf16 kernel moves half the bytes, and would wait for erff.
///
///   const float y = logistic<T>(x);
#pragma once
#include <quern/base/dtype.hpp>

#include "kernels/device/special.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// eˣ
template <class T>
__device__ __forceinline__ float exponential(float x) {
  if constexpr (std::is_same_v<T, bf16>) {
    return exp2_approx(1.44269504f * x);
  } else {
    return expf(x);
  }
}

/// 1 / x for x ≥ 1; of infinity 0.
template <class T>
__device__ __forceinline__ float reciprocal(float x) {
  if constexpr (std::is_same_v<T, bf16>) {
    return reciprocal_approx(x);
  } else {
    return 1.f / x;
  }
}

/// 1 / (1 + e⁻ˣ)
template <class T>
__device__ __forceinline__ float logistic(float x) {
  return reciprocal<T>(1.f + exponential<T>(-x));
}

/// Φ(x), the probability that a normal number is smaller than x, and its derivative φ(x) = e^(-x²/2) / √(2π).
struct Normal {
  float below, density;
};

/// Over bf16 by formula 7.1.26 of Abramowitz & Stegun (1964): Φ(-|x|) is a polynomial of 1 / (1 + p |x|)
/// times the exponential that the density needs anyway; it errs by 1e-7 at most. At an infinite x the density is 0.
template <class T>
__device__ __forceinline__ Normal normal(float x) {
  const float bell = exponential<T>(-0.5f * x * x), density = 0.39894228040143267794f * bell;
  if constexpr (std::is_same_v<T, bf16>) {
    const float t = reciprocal<T>(1.f + 0.23164189f * fabsf(x));  // p / √2
    const float poly =
        t * (0.127414796f + t * (-0.142248368f + t * (0.7107068705f + t * (-0.7265760135f + t * 0.5307027145f))));
    const float beyond = poly * bell;  // Φ(-|x|)
    return {x < 0 ? beyond : 1.f - beyond, density};
  } else {
    return {0.5f * erff(0.70710678118654752440f * x) + 0.5f, density};
  }
}

}  // namespace quern::inline QUERN_ABI::kernels
