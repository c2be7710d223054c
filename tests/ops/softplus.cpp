#include <quern/ops/softplus.hpp>

#include <cmath>
#include <limits>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"

using namespace test;

namespace {

template <class T>
struct Inputs {
  Tensor<T, 2> x;
  static void visit(auto&& f, auto&... m) { f("x", m.x...); }
};
/// Over [-4, 4), where the curve bends.
Inputs<double> wide(Shape<2> shape, std::uint32_t stream) {
  Inputs<double> in{drawn(shape, stream)};
  for (auto& v : in.x.span()) v *= 4;
  return in;
}

const auto op = [](const auto& in) { return softplus(in.x); };
const auto naive = [](const auto& in) {
  std::vector<double> y;
  for (auto v : in.x.span()) y.push_back(std::log(1 + std::exp(v)));
  return y;
};

}  // namespace

TEST_CASE("softplus") {
  for (auto shape : {Shape{0, 5}, Shape{5, 0}, Shape{9, 1}, Shape{1, 17}, Shape{7, 13}})
    expect_op(wide(shape, 3), {}, op, naive);
  expect_op(wide(Shape{3, 16389}, 1), {.most = 12}, op, naive);
}

TEST_CASE_TEMPLATE("softplus and its slope keep their digits where they are tiny and where eˣ overflows", T, float,
                   double) {
  if (has_cuda && !has_kernels<T>) return;  // double is for the CPU
  const std::int64_t n = 1601;
  Tensor<T, 2> x(1, n), dy(1, n);
  for (std::int64_t i = 0; i < n; ++i) x(0, i) = T(double(i - 800) / 10);  // to ±80
  dy.fill(1);
  const auto [at_y, saved] = softplus_forward(on_device(x));
  const auto y = on_host(at_y), dx = on_host(softplus_backward(on_device(dy), saved));
  const double bound = 2 * double(std::numeric_limits<T>::epsilon());
  for (std::int64_t i = 0; i < n; ++i) {
    const long double v = x(0, i), exact = std::log1p(std::exp(v)), slope = 1 / (1 + std::exp(-v));
    CHECK(std::abs(double(y(0, i) / exact - 1)) <= bound);
    CHECK(std::abs(double(dx(0, i) / slope - 1)) <= bound);
  }
}

TEST_CASE_TEMPLATE("softplus at the ends of the line, value and slope", T, float, double, bf16) {
  if (has_cuda && !has_kernels<T>) return;  // double is for the CPU
  constexpr float infinity = std::numeric_limits<float>::infinity(), missing = std::numeric_limits<float>::quiet_NaN();
  struct Row {
    float x, y, slope;
  };
  for (const auto& row : {Row{infinity, infinity, 1}, Row{0x1p70f, 0x1p70f, 1}, Row{128, 128, 1}, Row{-128, 0, 0},
                          Row{-0x1p70f, 0, 0}, Row{-infinity, 0, 0}}) {
    Tensor<T, 2> x(1, 3), dy(1, 3);
    x.fill(T(row.x)), dy.fill(T(2));
    const auto [at_y, saved] = softplus_forward(on_device(x));
    const auto y = on_host(at_y), dx = on_host(softplus_backward(on_device(dy), saved));
    for (auto v : y.span()) CHECK((v == T(row.y) || std::abs(double(v) - row.y) <= 1e-30));
    for (auto v : dx.span()) CHECK(std::abs(double(v) - 2 * row.slope) <= 1e-30);
    x.fill(T(missing));
    const auto [at_none, of_none] = softplus_forward(on_device(x));
    const auto none = on_host(at_none), slope = on_host(softplus_backward(on_device(dy), of_none));
    for (auto v : none.span()) CHECK(std::isnan(double(v)));
    for (auto v : slope.span()) CHECK(std::isnan(double(v)));
  }
}

TEST_CASE("softplus of texts works row by row and keeps their offsets") {
  const auto offsets = offsets_of({2, 1});
  const Packed<double> x{drawn(Shape{3, 4}, 1), offsets};
  const auto y = softplus(x);
  CHECK(same_bits(y.rows, softplus(x.rows)));
  CHECK(same_bits(y.offsets, offsets));
}

TEST_CASE("softplus_backward refuses a gradient of another shape") {
  const auto [y, saved] = softplus_forward(Tensor<float, 2>(2, 3));
  const auto message =
      message_of<InvalidArgument>([s = &saved] { (void)softplus_backward(Tensor<float, 2>(3, 2), *s); });
  expect_message(message, {"softplus_backward: ", "dy is [3, 2] float", "x is [2, 3] float"});
}
