#include <quern/base/dtype.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <quern/cpu/vec.hpp>
#include <quern/tensor/random.hpp>
#include <quern/tensor/tensor.hpp>

using namespace quern;

namespace {

float float_of(std::uint32_t bits) { return std::bit_cast<float>(bits); }

/// The bits of the nearest bf16 by search, not by the formula: of the two neighbours the nearer, of equally near ones
/// the even. Beyond the largest number, half a step leads to infinity.
std::uint16_t nearest(float x) {
  const auto u = std::bit_cast<std::uint32_t>(x);
  const auto below = std::uint16_t(u >> 16), above = std::uint16_t(below + 1);
  if (std::isnan(x)) return std::uint16_t(below | 0x40);
  if (std::isinf(x)) return below;
  const double low = std::abs(double(float_of(std::uint32_t(below) << 16))), exact = std::abs(double(x));
  const double high = (above & 0x7fff) == 0x7f80 ? 0x1p128 : std::abs(double(float_of(std::uint32_t(above) << 16)));
  if (exact - low < high - exact) return below;
  if (exact - low > high - exact) return above;
  return below % 2 == 0 ? below : above;
}

/// Floats at and beside every border between two bf16 numbers of some exponents and signs, and random bit patterns.
std::vector<float> difficult_floats() {
  std::vector<float> x;
  for (std::uint32_t upper = 0; upper < 0x10000; upper += 37)
    for (std::uint32_t lower : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) x.push_back(float_of(upper << 16 | lower));
  for (std::uint32_t upper : {0u, 0x7fu, 0x80u, 0x3f80u, 0x3f81u, 0x7f7fu, 0x7f80u, 0x7fc0u, 0xff7fu, 0xff80u, 0xffffu})
    for (std::uint32_t lower : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) x.push_back(float_of(upper << 16 | lower));
  const Random random(20260104);
  for (std::uint64_t i = 0; i < 20'000; ++i) x.push_back(float_of(random.bits(0, i)));
  return x;
}

std::vector<InstructionSet> sets_of_this_machine() {
  std::vector<InstructionSet> sets{InstructionSet::portable};
  for (auto set : {InstructionSet::avx2, InstructionSet::avx512})
    if (set <= best_instruction_set()) sets.push_back(set);
  return sets;
}

}  // namespace

TEST_CASE("every bf16 is a float, and that float is the bf16 again") {
  int wrong = 0;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    bf16 x;
    x.bits = std::uint16_t(bits);
    const float wide = x;
    const bool nan = (bits & 0x7fff) > 0x7f80;
    wrong += std::bit_cast<std::uint32_t>(wide) != bits << 16 || std::isnan(wide) != nan;
    wrong += bf16(wide).bits != (nan ? bits | 0x40 : bits);
  }
  CHECK(wrong == 0);
}

TEST_CASE("bf16 rounds to nearest, ties to even") {
  int wrong = 0;
  for (float x : difficult_floats()) wrong += bf16(x).bits != nearest(x);
  CHECK(wrong == 0);
  CHECK(float(bf16(1 + 0x1p-8f)) == 1);                // a tie, down to even
  CHECK(float(bf16(1 + 3 * 0x1p-8f)) == 1 + 0x1p-6f);  // a tie, up to even
  CHECK(std::isinf(float(bf16(3.4e38f))));
  CHECK(float(bf16(7)) == 7);
  CHECK(float(bf16(-0.1)) == float(bf16(-0.1f)));
}

TEST_CASE("the limits of bf16 are its ends") {
  using Limits = std::numeric_limits<bf16>;
  CHECK(std::isinf(float(bf16::of_bits(std::uint16_t(Limits::max().bits + 1)))));
  CHECK(float(Limits::max()) == (2 - 0x1p-7f) * 0x1p127f);
  CHECK(float(Limits::lowest()) == -float(Limits::max()));
  CHECK(float(bf16(1 + float(Limits::epsilon()))) == float(bf16::of_bits(std::uint16_t(bf16(1).bits + 1))));
  CHECK(float(Limits::min()) == std::numeric_limits<float>::min());
  CHECK(std::isinf(float(Limits::infinity())));
  CHECK(std::isnan(float(Limits::quiet_NaN())));
}

TEST_CASE("vectors load and store bf16 as the struct does, and nothing beyond the count") {
  const auto x = difficult_floats();
  std::vector<std::uint16_t> expected;
  for (float v : x) expected.push_back(nearest(v));
  const std::int64_t n = std::int64_t(x.size());
  for (auto set : sets_of_this_machine()) {
    CAPTURE(name_of(set));
    std::vector<bf16> y(x.size());
    std::vector<float> z(x.size());
    int wrong = 0;
    cpu::simd(set, [&]<class V>(V) {
      cpu::for_each_vector<V>(n, [&](std::int64_t i, int count) {
        if (count == V::width) {
          V::load(x.data() + i).store(y.data() + i);
          V::load(y.data() + i).store(z.data() + i);
        } else {
          V::load(x.data() + i, count).store(y.data() + i, count);
          V::load(y.data() + i, count).store(z.data() + i, count);
        }
      });
      for (int count = 0; count <= V::width; ++count) {
        bf16 from[V::width], to[V::width];
        float seen[V::width];
        for (int i = 0; i < V::width; ++i) from[i] = bf16(i + 1), to[i] = bf16(-1);
        V::load(from, count).store(seen);
        V::load(from, count).store(to, count);
        for (int i = 0; i < V::width; ++i) {
          wrong += seen[i] != float(i < count ? i + 1 : 0);
          wrong += float(to[i]) != float(i < count ? i + 1 : -1);
        }
      }
    });
    for (std::size_t i = 0; i < x.size(); ++i) {
      wrong += y[i].bits != expected[i];
      wrong += std::bit_cast<std::uint32_t>(z[i]) != std::uint32_t(expected[i]) << 16;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("a tensor of bf16 says so") {
  const Tensor<bf16, 2> x(2, 3);
  CHECK(x.bytes() == 12);
  CHECK(text_of(described("x", x)) == "x is [2, 3] bf16 cpu");
  CHECK(text_of("at ", bf16(1.5f)) == "at 1.5");
}
