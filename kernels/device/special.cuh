/// The units for special functions, one instruction each: to about 22 bits, and blind for subnormal numbers. For values
/// that are rounded to bf16 afterwards.
///
///   const float y = reciprocal_approx(1.f + exp2_approx(-1.4426950f * x));      // sigmoid, in four instructions
#pragma once
#include "kernels/dialect.cuh"
#if !defined(__CUDACC__)
#include <cmath>
#endif

namespace quern::inline QUERN_ABI::kernels {

#ifndef __CUDACC__
namespace detail {
/// What .ftz does to arguments and results.
inline float without_subnormals(float x) { return std::fabs(x) < 0x1p-126f ? std::copysign(0.f, x) : x; }
}  // namespace detail
#endif

/// ex2.approx.ftz.f32: 2ˣ, with a relative error of 2^-22 at most. Any thread, by itself.
__device__ __forceinline__ float exp2_approx(float x) {
#ifdef __CUDACC__
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return detail::without_subnormals(std::exp2(detail::without_subnormals(x)));
#endif
}

/// rcp.approx.ftz.f32: 1 / x, with a relative error of 2^-23 at most. Any thread, by itself.
__device__ __forceinline__ float reciprocal_approx(float x) {
#ifdef __CUDACC__
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return detail::without_subnormals(1.f / detail::without_subnormals(x));
#endif
}

}  // namespace quern::inline QUERN_ABI::kernels
