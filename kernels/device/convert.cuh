/// Rounding floats to bf16 by the instruction that does two at once. bf16's own constructor costs six instructions an
/// element, and kernels that only move memory have no more than about thirty.
///
///   const std::uint32_t two = to_bf16_pair(low, high);        // the bits of bf16(low), and above them of bf16(high)
#pragma once
#include <quern/base/dtype.hpp>

#include "kernels/dialect.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// cvt.rn.bf16x2.f32: to nearest, ties to even. Any thread, by itself. NaN of any kind becomes 0x7fff; all else has the
/// bits of bf16(float).
__device__ __forceinline__ std::uint32_t to_bf16_pair(float low, float high) {
#ifdef __CUDACC__
  std::uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#else
  const auto bits = [](float x) { return x != x ? std::uint32_t{0x7fff} : std::uint32_t{bf16(x).bits}; };
  return bits(high) << 16 | bits(low);
#endif
}

/// One number, the same way.
__device__ __forceinline__ bf16 to_bf16(float x) { return bf16::of_bits(std::uint16_t(to_bf16_pair(x, 0.f))); }

}  // namespace quern::inline QUERN_ABI::kernels
