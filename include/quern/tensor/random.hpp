/// Chance is addressed, not drawn: a random number is a function of (seed, purpose, step, op, element). Threads,
/// prefetching, resuming and recomputing change nothing, and there is no generator state to save.
///
///   Random random(seed, Purpose::dropout, step);
///   float u = random.uniform(op, element);          // in [0, 1)
///   random.shuffle(order);                          // a permutation that depends on the address alone
///
/// The generator is Philox4x32-10, see tensor/philox.hpp.
#pragma once
#include <cmath>
#include <cstdint>
#include <utility>

#include <quern/tensor/philox.hpp>

namespace quern::inline QUERN_ABI {

/// What a random number is for. Two purposes never share a number.
enum class Purpose : std::uint32_t { initial = 1, order, split, dropout, noise, test, augment, masking };

/// The random numbers of one seed, purpose and step. A value: copy it freely.
class Random {
 public:
  explicit Random(std::uint64_t seed, Purpose purpose = Purpose::test, std::uint32_t step = 0)
      : seed_(seed), purpose_(purpose), step_(step) {}

  std::uint64_t seed() const { return seed_; }
  Purpose purpose() const { return purpose_; }
  std::uint32_t step() const { return step_; }

  /// 32 random bits for element `element` (below 2^34) of op number `op`.
  std::uint32_t bits(std::uint32_t op, std::uint64_t element) const { return stream(op).bits(element); }

  /// The four numbers of elements 4·index … 4·index+3.
  PhiloxBlock block(std::uint32_t op, std::uint64_t index) const { return stream(op).block(index); }

  /// The numbers of one op, as kernels take them.
  RandomStream stream(std::uint32_t op) const { return {seed_, std::uint32_t(purpose_), step_, op}; }

  /// Uniform in [0, 1), a multiple of 2^-24: exact in float.
  float uniform(std::uint32_t op, std::uint64_t element) const { return float(bits(op, element) >> 8) * 0x1p-24f; }

  /// Normal with mean 0 and variance 1, after Box & Muller (1958): two uniforms an element.
  double normal(std::uint32_t op, std::uint64_t element) const {
    const auto b = block(op, element);
    const double u1 = (double(b[0]) + 1) * 0x1p-32, u2 = double(b[1]) * 0x1p-32;
    return std::sqrt(-2 * std::log(u1)) * std::cos(6.283185307179586 * u2);
  }

  /// An integer in [0, n), by multiplication of 64 bits: the bias is below n / 2^64.
  [[gnu::noinline]] std::uint64_t below(std::uint64_t n, std::uint32_t op, std::uint64_t element) const {
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
