/// Chance is addressed, not drawn: a random number is a function of (seed, purpose, step, op, element). Threads,
/// prefetching, resuming and recomputing change nothing, and there is no generator state to save.
///
///   Random random(seed, Purpose::dropout, step);
///   float u = random.uniform(op, element);          // in [0, 1)
///   random.shuffle(order);                          // a permutation that depends on the address alone
///
/// The generator is Philox4x32-10 of Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011).
#pragma once
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>

#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI {

/// Ten rounds of Philox4x32: 128 bits of counter and 64 bits of key in, 128 random bits out.
constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {std::uint32_t(p1 >> 32) ^ counter[1] ^ key[0], std::uint32_t(p1),
               std::uint32_t(p0 >> 32) ^ counter[3] ^ key[1], std::uint32_t(p0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

/// What a random number is for. Two purposes never share a number.
enum class Purpose : std::uint32_t { initial = 1, order, split, dropout, noise, test, augment };

/// The random numbers of one seed, purpose and step. A value: copy it freely.
class Random {
 public:
  explicit Random(std::uint64_t seed, Purpose purpose = Purpose::test, std::uint32_t step = 0)
      : seed_(seed), purpose_(purpose), step_(step) {}

  std::uint64_t seed() const { return seed_; }
  Purpose purpose() const { return purpose_; }
  std::uint32_t step() const { return step_; }

  /// 32 random bits for element `element` (below 2^34) of op number `op`.
  std::uint32_t bits(std::uint32_t op, std::uint64_t element) const { return block(op, element / 4)[element % 4]; }

  /// The four numbers of elements 4·index … 4·index+3.
  std::array<std::uint32_t, 4> block(std::uint32_t op, std::uint64_t index) const {
    return philox({std::uint32_t(index), op, step_, std::uint32_t(purpose_)},
                  {std::uint32_t(seed_), std::uint32_t(seed_ >> 32)});
  }

  /// Uniform in [0, 1), a multiple of 2^-24: exact in float.
  float uniform(std::uint32_t op, std::uint64_t element) const { return float(bits(op, element) >> 8) * 0x1p-24f; }

  /// Normal with mean 0 and variance 1, after Box & Muller (1958): two uniforms an element.
  double normal(std::uint32_t op, std::uint64_t element) const {
    const auto b = block(op, element);
    const double u1 = (double(b[0]) + 1) * 0x1p-32, u2 = double(b[1]) * 0x1p-32;
    return std::sqrt(-2 * std::log(u1)) * std::cos(6.283185307179586 * u2);
  }

  /// An integer in [0, n), by multiplication of 64 bits: the bias is below n / 2^64.
  std::uint64_t below(std::uint64_t n, std::uint32_t op, std::uint64_t element) const {
    const auto b = block(op, element);
    const std::uint64_t r = (std::uint64_t(b[0]) << 32) | b[1];
    __extension__ using Wide = unsigned __int128;
    return std::uint64_t((Wide(r) * n) >> 64);
  }

  /// Permutes a range (Fisher & Yates 1938).
  void shuffle(auto& range, std::uint32_t op = 0) const {
    using std::swap;
    for (std::uint64_t i = range.size(); i > 1; --i) swap(range[i - 1], range[below(i, op, i)]);
  }

 private:
  std::uint64_t seed_;
  Purpose purpose_;
  std::uint32_t step_;
};

}  // namespace quern::inline QUERN_ABI
