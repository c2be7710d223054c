// exp, exp2, log, log1p, tanh, erf and sigmoid of vectors against long double, on every instruction set of this
// machine: over all exponents and a few thousand fractions, and at every place where the formula changes.
#include <quern/cpu/vec_math.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <string>
#include <vector>

using namespace quern;

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN(),
                infinity = std::numeric_limits<float>::infinity();

/// Floats of both signs: every `stride`-th bit pattern, and the neighbours of `borders`.
std::vector<float> arguments(float low, float high, std::initializer_list<float> borders) {
  std::vector<float> x;
  for (std::uint32_t bits = 0; bits < 0x7f800000; bits += 6007)
    for (float v : {std::bit_cast<float>(bits), -std::bit_cast<float>(bits)})
      if (v >= low && v <= high) x.push_back(v);
  for (float b : borders)
    for (int step = -200; step <= 200; ++step) {
      const float v = std::bit_cast<float>(std::bit_cast<std::int32_t>(b) + step);
      if (v >= low && v <= high) x.push_back(v);
    }
  return x;
}

/// |y - exact| in units of the last place of `exact`.
double ulps(float y, long double exact) {
  if (y == float(exact)) return 0;
  const float size = std::max(std::abs(float(exact)), std::numeric_limits<float>::min());
  return double(std::abs((long double)y - exact) / (std::nextafter(size, infinity) - size));
}

/// f gives V from V, exact a long double from a long double.
template <class V>
std::vector<float> values(const std::vector<float>& x, auto&& f) {
  std::vector<float> y(x.size());
  cpu::for_each_vector<V>(std::int64_t(x.size()), [&](std::int64_t i, int count) {
    f(V::load(&x[std::size_t(i)], count)).store(&y[std::size_t(i)], count);
  });
  return y;
}

std::vector<InstructionSet> sets() {
  std::vector<InstructionSet> all;
  for (auto set : {InstructionSet::portable, InstructionSet::avx2, InstructionSet::avx512})
    if (set <= best_instruction_set()) all.push_back(set);
  return all;
}

/// The largest error of `f` over `x`, on each set, is at most `bound` ulps.
void expect_accurate(const std::string& name, const std::vector<float>& x, double bound, auto&& f, auto&& exact) {
  REQUIRE(x.size() > 10000);
  std::vector<long double> expected;
  for (float v : x) expected.push_back(exact((long double)v));
  for (auto set : sets()) {
    std::vector<float> y;
    cpu::simd(set, [&]<class V>(V) { y = values<V>(x, f); });
    double worst = 0;
    std::size_t place = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double error = ulps(y[i], expected[i]);
      if (!(error <= worst)) worst = error, place = i;
      if (worst != worst) break;
    }
    CHECK_MESSAGE(worst <= bound, text_of(name, " on ", set), ": ", worst, " ulps at ", x[place], ", where it gives ",
                  y[place]);
  }
}

/// f(x) is exactly y, NaN for NaN, on each set and in double.
void expect_exactly(auto&& f, float x, float y) {
  const auto agrees = [&](double z) { return y != y ? z != z : z == double(y); };
  for (auto set : sets())
    cpu::simd(set, [&]<class V>(V) { CHECK_MESSAGE(agrees(double(f(V(x)).largest())), x, " ", y); });
  CHECK_MESSAGE(agrees(f(cpu::Scalar<double>(double(x))).v), x, " ", y);
}

const auto exp_of = [](const auto& x) { return cpu::exp(x); };
const auto log_of = [](const auto& x) { return cpu::log(x); };
const auto log1p_of = [](const auto& x) { return cpu::log1p(x); };
const auto tanh_of = [](const auto& x) { return cpu::tanh(x); };
const auto erf_of = [](const auto& x) { return cpu::erf(x); };
const auto sigmoid_of = [](const auto& x) { return cpu::sigmoid(x); };

}  // namespace

TEST_CASE("exp2 of vectors") {
  const auto exp2_of = [](const auto& x) { return cpu::exp2(x); };
  expect_accurate("exp2", arguments(-126, 127.499f, {1, -1, 0.5f, -0.5f, 126.5f, -125.5f}), 2, exp2_of,
                  [](long double x) { return std::exp2(x); });
  for (float x : {-1e4f, -infinity}) expect_exactly(exp2_of, x, 0);
  for (float x : {1e4f, infinity}) expect_exactly(exp2_of, x, infinity);
  for (int n : {-126, -1, 0, 1, 127}) expect_exactly(exp2_of, float(n), std::ldexp(1.f, n));
  expect_exactly(exp2_of, not_a_number, not_a_number);
}

TEST_CASE("exp of vectors") {
  expect_accurate("exp", arguments(-86.6f, 88.7228f, {1, -1, 0.34657f, -0.34657f, 88.722f, -86.6f}), 1, exp_of,
                  [](long double x) { return std::exp(x); });
  expect_exactly(exp_of, 0, 1);
  expect_exactly(exp_of, -infinity, 0);
  expect_exactly(exp_of, -1e4f, 0);
  expect_exactly(exp_of, infinity, infinity);
  expect_exactly(exp_of, 1e4f, infinity);
  expect_exactly(exp_of, not_a_number, not_a_number);
}

TEST_CASE("log of vectors") {
  expect_accurate("log", arguments(1e-45f, 3.4e38f, {1, 0.70710678f, 1.41421356f, 2, 0.5f, 1.17549435e-38f}), 1, log_of,
                  [](long double x) { return std::log(x); });
  expect_exactly(log_of, 1, 0);
  expect_exactly(log_of, 0, -infinity);
  expect_exactly(log_of, -0.f, -infinity);
  expect_exactly(log_of, -1e-45f, not_a_number);
  expect_exactly(log_of, -infinity, not_a_number);
  expect_exactly(log_of, infinity, infinity);
  expect_exactly(log_of, not_a_number, not_a_number);
}

TEST_CASE("log1p of vectors") {
  expect_accurate("log1p", arguments(-0.9999999f, 3.4e38f, {1, -0.5f, -0.29289f, 0.41421356f, 1e-7f, 6e-8f}), 2,
                  log1p_of, [](long double x) { return std::log1p(x); });
  expect_exactly(log1p_of, 0, 0);
  expect_exactly(log1p_of, -1, -infinity);
  expect_exactly(log1p_of, -2, not_a_number);
  expect_exactly(log1p_of, infinity, infinity);
  expect_exactly(log1p_of, not_a_number, not_a_number);
}

TEST_CASE("tanh of vectors") {
  expect_accurate("tanh", arguments(-3.4e38f, 3.4e38f, {1, -1, 9.02f, -9.02f, 0.1f}), 5, tanh_of,
                  [](long double x) { return std::tanh(x); });
  for (float x : {0.f, 20.f, -20.f, infinity, -infinity, not_a_number}) expect_exactly(tanh_of, x, float(std::tanh(x)));
}

TEST_CASE("erf of vectors") {
  expect_accurate("erf", arguments(-3.4e38f, 3.4e38f, {1, -1, 3.92f, -3.92f, 0.1f}), 6, erf_of,
                  [](long double x) { return std::erf(x); });
  for (float x : {0.f, 20.f, -20.f, infinity, -infinity, not_a_number}) expect_exactly(erf_of, x, float(std::erf(x)));
}

TEST_CASE("sigmoid of vectors") {
  expect_accurate("sigmoid", arguments(-86.f, 3.4e38f, {1, -1, 17.f, -17.f, -86.f}), 2, sigmoid_of,
                  [](long double x) { return 1 / (1 + std::exp(-x)); });
  expect_exactly(sigmoid_of, 0, 0.5f);
  for (float x : {1e4f, infinity}) expect_exactly(sigmoid_of, x, 1);
  for (float x : {-1e4f, -infinity}) expect_exactly(sigmoid_of, x, 0);
  expect_exactly(sigmoid_of, not_a_number, not_a_number);
}
