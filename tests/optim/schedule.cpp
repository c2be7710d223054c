#include <quern/optim/schedule.hpp>

#include <doctest/doctest.h>

using namespace quern;

TEST_CASE("a constant rate is constant") {
  const ConstantRate rate{0.5};
  CHECK(rate(0) == 0.5);
  CHECK(rate(1'000'000'000'000) == 0.5);
}

TEST_CASE("linear warm-up rises to the peak, and falls in a line to zero") {
  const LinearWarmup rate{.peak = 1, .warmup = 4, .total = 12};
  const double expected[] = {0.25, 0.5, 0.75, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0, 0};
  for (int step = 0; step < 14; ++step) CHECK(rate(step) == doctest::Approx(expected[step]));
}

TEST_CASE("without a total the rate stays at its peak, without a warm-up it begins there") {
  const LinearWarmup flat{.peak = 2, .warmup = 2};
  CHECK(flat(0) == 1);
  CHECK(flat(1) == 2);
  CHECK(flat(1000) == 2);
  const LinearWarmup falling{.peak = 2, .total = 4};
  CHECK(falling(0) == 2);
  CHECK(falling(2) == 1);
  CHECK(falling(4) == 0);
  CHECK(falling(5) == 0);
}

TEST_CASE("beyond their last step schedules keep their last rate") {
  CHECK(StepRate{.peak = 8, .every = 2, .factor = 0.5}(5) == 2);
  const CosineRate cosine{.peak = 1, .warmup = 2, .total = 10, .least = 0.25};
  CHECK(cosine(0) == 0.5);
  CHECK(cosine(2) == 1);
  CHECK(cosine(6) == doctest::Approx(0.625));
  CHECK(cosine(10) == 0.25);
  CHECK(cosine(1'000'000'000'000) == 0.25);
  const OneCycle cycle{.peak = 1, .total = 10};
  CHECK(cycle(0) == doctest::Approx(0.04));
  CHECK(cycle(2) == doctest::Approx(1));
  CHECK(cycle(9) == doctest::Approx(0.04 / 1e4));
  CHECK(cycle(1'000'000) == cycle(9));
  CHECK(cycle.momentum(2) == doctest::Approx(0.85));
  CHECK(cycle.momentum(1'000'000) == doctest::Approx(0.95));
  const OneCycle falling{.peak = 1, .total = 10, .rising = 0.1};  // turns at once
  CHECK(falling(0) == doctest::Approx(1));
  CHECK(falling(1) < 1);
}
