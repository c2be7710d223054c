/// Element types of 16 bits. `bf16` is the upper half of a float: 8 bits of exponent, 8 of precision (7 stored).
///
///   bf16 x = bf16(3.14159f);          // rounded to nearest, ties to even: 3.140625
///   float y = x;                      // exact
///
/// It is for storage: ops load it into floats, compute and sum there, and round once when they store.
#pragma once
#include <quern/base/config.hpp>
#include <quern/base/freestanding.hpp>
#if !defined(__CUDACC_RTC__)
#include <limits>
#endif

namespace quern::inline QUERN_ABI {

struct bf16 {
  std::uint16_t bits = 0;

  bf16() = default;
  QUERN_HD static constexpr bf16 of_bits(std::uint16_t bits) {
    bf16 x;
    x.bits = bits;
    return x;
  }
  /// To nearest, ties to even; NaN stays a quiet NaN, what is too large becomes infinity.
  QUERN_HD constexpr explicit bf16(float x) {
    const auto u = __builtin_bit_cast(std::uint32_t, x);
    bits = std::uint16_t(x != x ? (u >> 16) | 0x40u : (u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
  /// Other numbers by way of float.
  template <class N>
  requires std::is_arithmetic_v<N> QUERN_HD constexpr explicit bf16(N x) : bf16(float(x)) {}
  QUERN_HD constexpr operator float() const { return __builtin_bit_cast(float, std::uint32_t(bits) << 16); }

  QUERN_HD constexpr bf16& operator+=(bf16 b) { return *this = bf16(float(*this) + float(b)); }
};
static_assert(sizeof(bf16) == 2 && __is_trivially_copyable(bf16));

/// The type an op computes and sums in for elements of type T: float for bf16, else T itself.
template <class T>
using accumulator_t = std::conditional_t<std::is_same_v<T, bf16>, float, T>;

}  // namespace quern::inline QUERN_ABI

#if !defined(__CUDACC_RTC__)
template <>
class std::numeric_limits<quern::bf16> {
 public:
  static constexpr bool is_specialized = true, is_signed = true, is_integer = false, has_infinity = true,
                        has_quiet_NaN = true;
  static constexpr int digits = 8;
  static constexpr quern::bf16 min() { return quern::bf16::of_bits(0x0080); }
  static constexpr quern::bf16 max() { return quern::bf16::of_bits(0x7f7f); }
  static constexpr quern::bf16 lowest() { return quern::bf16::of_bits(0xff7f); }
  static constexpr quern::bf16 epsilon() { return quern::bf16::of_bits(0x3c00); }
  static constexpr quern::bf16 infinity() { return quern::bf16::of_bits(0x7f80); }
  static constexpr quern::bf16 quiet_NaN() { return quern::bf16::of_bits(0x7fc0); }
};
#endif
