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

/// Ten rounds of Philox4x32: 128 bits of counter and 64 bits of key in, 128 random bits out.
QUERN_HD constexpr PhiloxBlock philox(PhiloxBlock counter, PhiloxKey key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * counter.x[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * counter.x[2];
    counter = {std::uint32_t(p1 >> 32) ^ counter.x[1] ^ key.x[0], std::uint32_t(p1),
               std::uint32_t(p0 >> 32) ^ counter.x[3] ^ key.x[1], std::uint32_t(p0)};
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
