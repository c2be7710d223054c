#include <quern/ops/sum.hpp>

#include <quern/ops/reshape.hpp>

#include <cmath>
#include <limits>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"

using namespace test;

namespace {

template <class T>
struct Inputs {
  Tensor<T, 3> x;
  static void visit(auto&& f, auto&... m) { f("x", m.x...); }
};

constexpr int everything = 3;

void expect_sum(Shape<3> shape, int axis, std::int64_t most = 0) {
  const std::int64_t terms = axis == everything ? shape.size() : shape[axis];
  expect_op(
      Inputs<double>{drawn(shape, 1)}, {.terms = terms, .most = most},
      [=](const auto& in) {
        return axis == everything ? reshape(sum(in.x), Shape{1, 1}) : sum(in.x, axis);
      },
      [=](const Inputs<double>& in) {
        Shape<3> places{1, 1, 1};
        for (int i = 0; i < 3; ++i)
          if (axis != everything && axis != i) places[i] = shape[i];
        std::vector<double> y(std::size_t(places.size()));
        for (std::int64_t i = 0; i < shape[0]; ++i)
          for (std::int64_t j = 0; j < shape[1]; ++j)
            for (std::int64_t k = 0; k < shape[2]; ++k) {
              const auto at = (i % places[0] * places[1] + j % places[1]) * places[2] + k % places[2];
              y[std::size_t(at)] += in.x(i, j, k);
            }
        return y;
      });
}

}  // namespace

TEST_CASE("sum") {
  for (int axis : {0, 1, 2, everything}) {
    expect_sum({3, 4, 5}, axis);
    expect_sum({1, 1, 1}, axis);
    expect_sum({2, 7, 70}, axis, 30);
  }
  expect_sum({5, 0, 3}, 1);
  expect_sum({0, 4, 3}, 1);
  expect_sum({3, 2, 0}, everything);
  expect_sum({2, 5, 301}, 1, 20);            // more than one block of columns
  expect_sum({4, 1, 9000}, 2, 12);           // chunks of rows
  expect_sum({3, 2, 8191}, everything, 12);  // chunks of everything
}

TEST_CASE("sum: the last axis is -1; backward as a function repeats dy; NaN and infinity come through") {
  auto x = drawn(Shape{2, 3}, 1);
  const auto [y, saved] = sum_forward(x, -1);
  CHECK(y.shape() == Shape{2});
  CHECK(std::abs(y(1) - (x(1, 0) + x(1, 1) + x(1, 2))) < 1e-15);
  const auto dx = sum_backward(Tensor<double, 1>::of({2}, {7, 8}), saved);
  CHECK(same_bits(dx, Tensor<double, 2>::of({2, 3}, {7, 7, 7, 8, 8, 8})));
  x(0, 1) = std::numeric_limits<double>::infinity(), x(1, 2) = std::nan("");
  CHECK(sum(x, 1)(0) == x(0, 1));
  CHECK(std::isnan(sum(x, 1)(1)));
  CHECK(std::isnan(sum(x).item()));
}

TEST_CASE("sum refuses an axis that is not there, and gradients of another shape") {
  const Tensor<float, 2> x(2, 3);
  expect_invalid([&] { (void)sum(x, 2); }, {"sum: axis 2 of a tensor of rank 2; expected -2 to 1"});
  const auto [y, saved] = sum_forward(x, 1);
  expect_message(message_of<InvalidArgument>([&, s = &saved] { (void)sum_backward(Tensor<float, 1>(3), *s); }),
                 {"sum_backward: dy is [3] float", "expected [2]"});
}
