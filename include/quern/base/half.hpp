/// IEEE numbers of 16 bits, as files hold them: read only, Quern computes with bf16.
///
///   float x = float_of_half(0x3c00);          // 1: exact, as every half is a float
#pragma once
#include <quern/base/config.hpp>
#include <quern/base/freestanding.hpp>

namespace quern::inline QUERN_ABI {

/// 1 bit of sign, 5 of exponent (bias 15), 10 of fraction.
constexpr float float_of_half(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t(half & 0x8000u) << 16, exponent = half >> 10 & 31u, fraction = half & 1023u;
  if (exponent == 31) return __builtin_bit_cast(float, sign | 0x7f800000u | fraction << 13);  // infinity or NaN
  if (exponent > 0) return __builtin_bit_cast(float, sign | (exponent + 112) << 23 | fraction << 13);
  const float small = float(fraction) * 0x1p-24f;  // 0, or below the smallest normal half
  return sign ? -small : small;
}

}  // namespace quern::inline QUERN_ABI
