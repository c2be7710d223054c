/// Numbers of the tensor cores' element types, as floats.
#pragma once
#include <cmath>
#include <cstdint>

#include "kernels/emulator/tensor_core.hpp"

namespace quern::inline QUERN_ABI::emulator {

/// Four floats that are multiplied and added together, whatever the compiler's flags.
using Four = float __attribute__((vector_size(16)));

inline float float_of_half(std::uint16_t bits) {
  const std::uint32_t sign = std::uint32_t(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (exponent == 0) return (sign ? -1.0f : 1.0f) * std::ldexp(float(fraction), -24);
  const std::uint32_t shifted = exponent == 31 ? 255 : exponent + 112;
  return __builtin_bit_cast(float, sign | shifted << 23 | fraction << 13);
}

inline float float_of(Element element, std::uint16_t bits) {
  return element == Element::bf16 ? __builtin_bit_cast(float, std::uint32_t(bits) << 16) : float_of_half(bits);
}

/// The tensor cores do not look at a float's last 13 bits.
inline float tf32_of(std::uint32_t bits) { return __builtin_bit_cast(float, bits & 0xffffe000u); }

}  // namespace quern::inline QUERN_ABI::emulator
