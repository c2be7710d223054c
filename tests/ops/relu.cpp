#include <quern/ops/relu.hpp>

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
template <class T>
struct Inputs3 {
  Tensor<T, 3> x;
  static void visit(auto&& f, auto&... m) { f("x", m.x...); }
};

const auto op = [](const auto& in) { return relu(in.x); };
const auto naive = [](const auto& in) {
  std::vector<double> y;
  for (auto v : in.x.span()) y.push_back(v > 0 ? v : 0);
  return y;
};

}  // namespace

TEST_CASE("relu") {
  for (auto shape : {Shape{0, 5}, Shape{5, 0}, Shape{2, 1}, Shape{9, 1}, Shape{1, 17}, Shape{7, 13}, Shape{64, 33}})
    expect_op(Inputs<double>{drawn_off_zero(shape, 3)}, {}, op, naive);
  expect_op(Inputs<double>{drawn_off_zero(Shape{3, 16389}, 1)}, {.most = 12}, op, naive);
  expect_op<false>(Inputs3<double>{drawn_off_zero(Shape{2, 3, 5}, 1)}, {}, op, naive);
}

TEST_CASE("relu of texts works row by row and keeps their offsets") {
  const auto offsets = offsets_of({2, 1});
  const Packed<double> x{drawn_off_zero(Shape{3, 4}, 1), offsets};
  const auto y = relu(x);
  CHECK(same_bits(y.rows, relu(x.rows)));
  CHECK(same_bits(y.offsets, offsets));
}

TEST_CASE_TEMPLATE("relu keeps NaN, and its slope at 0 is 0", T, float, double) {
  constexpr T nan = std::numeric_limits<T>::quiet_NaN(), infinity = std::numeric_limits<T>::infinity();
  Tensor<T, 2> x(1, 37), dy(1, 37);
  dy.fill(2);
  x(0, 1) = nan, x(0, 2) = infinity, x(0, 3) = -infinity, x(0, 36) = nan, x(0, 5) = T(-0.0);
  const auto [y, saved] = relu_forward(x);
  CHECK(std::isnan(y(0, 1)));
  CHECK(std::isnan(y(0, 36)));
  CHECK(y(0, 2) == infinity);
  CHECK(y(0, 3) == 0);
  CHECK(y(0, 5) == 0);
  const auto dx = relu_backward(dy, saved);
  for (int i = 0; i < 37; ++i) CHECK(dx(0, i) == (i == 2 ? 2 : 0));
}

TEST_CASE("relu_backward refuses a gradient of another shape") {
  const auto [y, saved] = relu_forward(Tensor<float, 2>(2, 3));
  const auto message =
      message_of<InvalidArgument>([&, s = &saved] { (void)relu_backward(Tensor<float, 2>(3, 2), *s); });
  expect_message(message, {"relu_backward: ", "dy is [3, 2] float", "y is [2, 3] float"});
}
