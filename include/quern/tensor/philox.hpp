/// The random generator, the same for host and device code: Philox4x32-10 of Salmon, Moraes, Dror & Shaw, "Parallel
/// random numbers: as easy as 1, 2, 3" (2011). A number is a function of its address; there is no state.
///
///   RandomStream stream = random.stream(op);      // of Random: seed, purpose and step; a plain value, for kernels too
///   std::uint32_t bits = stream.bits(element);    // of element 0 … 2^34 - 1
#pragma once
#include <quern/base/config.hpp>
#include <quern/base/freestanding.hpp>

namespace quern::inline QUERN_ABI {

/// Four random numbers, or the counter they are made from.
struct PhiloxBlock {
  std::uint32_t x[4];
  QUERN_HD constexpr std::uint32_t operator[](std::uint64_t i) const { return x[i]; }
  friend constexpr bool operator==(const PhiloxBlock&, const PhiloxBlock&) = default;
};
struct PhiloxKey {
  std::uint32_t x[2];
};

/// The upper half of a product of 64 bits. nvcc takes a product of two 64-bit numbers for more than one instruction.
QUERN_HD constexpr std::uint32_t upper_half_of_product(std::uint32_t a, std::uint32_t b) {
#ifdef __CUDA_ARCH__
  return __umulhi(a, b);
#else
  return std::uint32_t(std::uint64_t{a} * b >> 32);
#endif
}

/// Ten rounds of Philox4x32: 128 bits of counter and 64 bits of key in, 128 random bits out.
QUERN_HD constexpr PhiloxBlock philox(PhiloxBlock counter, PhiloxKey key) {
  for (int round = 0; round < 10; ++round) {
    constexpr std::uint32_t m0 = 0xD2511F53, m1 = 0xCD9E8D57;
    counter = {upper_half_of_product(m1, counter.x[2]) ^ counter.x[1] ^ key.x[0], m1 * counter.x[2],
               upper_half_of_product(m0, counter.x[0]) ^ counter.x[3] ^ key.x[1], m0 * counter.x[0]};
    key.x[0] += 0x9E3779B9;
    key.x[1] += 0xBB67AE85;
  }
  return counter;
}

/// The numbers of one op at one step.
struct RandomStream {
  std::uint64_t seed;
  std::uint32_t purpose, step, op;

  /// The four numbers of elements 4·index … 4·index+3.
  QUERN_HD constexpr PhiloxBlock block(std::uint64_t index) const {
    return philox({std::uint32_t(index), op, step, purpose}, {std::uint32_t(seed), std::uint32_t(seed >> 32)});
  }
  /// 32 random bits for one element, below 2^34.
  QUERN_HD constexpr std::uint32_t bits(std::uint64_t element) const { return block(element / 4)[element % 4]; }
};

}  // namespace quern::inline QUERN_ABI
