#include <quern/tensor/random.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

using namespace quern;
using Four = PhiloxBlock;

TEST_CASE("Philox4x32-10 gives the known answers of Random123") {
  constexpr std::uint32_t ones = 0xffffffff;
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Four{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({ones, ones, ones, ones}, {ones, ones}) == Four{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Four{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("every part of the address counts") {
  const Random random(7, Purpose::dropout, 3);
  CHECK(random.seed() == 7);
  CHECK(random.purpose() == Purpose::dropout);
  CHECK(random.step() == 3);
  const auto number = random.bits(5, 11);
  CHECK(number == Random(7, Purpose::dropout, 3).bits(5, 11));
  CHECK(number != Random(8, Purpose::dropout, 3).bits(5, 11));
  CHECK(number != Random(7 + (std::uint64_t{1} << 32), Purpose::dropout, 3).bits(5, 11));
  CHECK(number != Random(7, Purpose::order, 3).bits(5, 11));
  CHECK(number != Random(7, Purpose::dropout, 4).bits(5, 11));
  CHECK(number != random.bits(6, 11));
  CHECK(number != random.bits(5, 12));
  for (std::uint64_t element = 0; element < 40; ++element)
    CHECK(random.bits(5, element) == random.block(5, element / 4)[element % 4]);
}

TEST_CASE("uniform numbers fill [0, 1) evenly") {
  const Random random(1);
  std::vector<int> bins(100);
  double sum = 0;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    const float u = random.uniform(0, i);
    REQUIRE(u >= 0);
    REQUIRE(u < 1);
    CHECK_MESSAGE(u * 0x1p24f == std::floor(u * 0x1p24f), u);
    ++bins[std::size_t(u * 100)];
    sum += u;
  }
  double chi2 = 0;
  for (int n : bins) chi2 += (n - 1000.0) * (n - 1000.0) / 1000;
  CHECK(chi2 < 150);  // 99 degrees of freedom: mean 99, deviation 14
  CHECK(chi2 > 50);
  CHECK(std::abs(sum / 100'000 - 0.5) < 0.004);
}

TEST_CASE("normal numbers have mean 0, variance 1 and the tails they should") {
  const Random random(1);
  double sum = 0, squares = 0;
  int beyond = 0;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    const double z = random.normal(0, i);
    REQUIRE(std::isfinite(z));
    sum += z, squares += z * z, beyond += std::abs(z) > 2;
  }
  CHECK(std::abs(sum / 100'000) < 0.013);          // 4 deviations of the mean
  CHECK(std::abs(squares / 100'000 - 1) < 0.018);  // 4 of the variance
  CHECK(std::abs(beyond / 100'000.0 - 0.0455) < 0.0027);
}

TEST_CASE("below is even, and stays below") {
  const Random random(1);
  std::vector<int> count(7);
  for (std::uint64_t i = 0; i < 70'000; ++i) ++count.at(random.below(7, 0, i));
  for (int n : count) CHECK(std::abs(n - 10'000) < 400);
  CHECK(random.below(1, 0, 0) == 0);
  const std::uint64_t huge = std::uint64_t{3} << 62;
  std::uint64_t largest = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const auto r = random.below(huge, 0, i);
    REQUIRE(r < huge);
    largest = std::max(largest, r);
  }
  CHECK(largest > huge / 10 * 9);
}

TEST_CASE("shuffle is a permutation that the address alone decides; every element may come anywhere") {
  std::vector<int> once(1000), again(1000);
  std::iota(once.begin(), once.end(), 0);
  again = once;
  const auto sorted = once;
  Random(1, Purpose::order, 2).shuffle(once);
  Random(1, Purpose::order, 2).shuffle(again);
  CHECK(once == again);
  CHECK(once != sorted);
  Random(1, Purpose::order, 3).shuffle(again);
  CHECK(once != again);
  std::sort(again.begin(), again.end());
  CHECK(again == sorted);

  int count[4][4] = {};
  for (std::uint32_t step = 0; step < 24'000; ++step) {
    std::array<int, 4> order{0, 1, 2, 3};
    Random(1, Purpose::order, step).shuffle(order);
    for (int place = 0; place < 4; ++place) ++count[order[std::size_t(place)]][place];
  }
  for (const auto& places : count)
    for (int n : places) CHECK(std::abs(n - 6000) < 270);  // 4 deviations
  std::vector<int> none, one{5};
  Random(1).shuffle(none), Random(1).shuffle(one);
  CHECK(none.empty());
  CHECK(one == std::vector<int>{5});
}
