#include <quern/ops/sum.hpp>

#include <quern/ops/reshape.hpp>

#include <cmath>

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
  expect_sum({2, 700, 16}, 1, 12);           // pieces of columns
  expect_sum({2, 3, 8200}, 2, 12);           // pieces of rows, which are made of whole packs
  expect_sum({1, 70, 1032}, 0, 12);
}

TEST_CASE_TEMPLATE("sum: the last axis is -1; backward as a function repeats dy; NaN and infinity come through", T,
                   float, SecondNumber) {
  const auto f = sum_forward(on_device<T>(Shape{2, 3}, {1, 2, 3, 4, 5, 6}), -1);
  CHECK(same_bits(f.y, on_device<T>(Shape{2}, {6, 15})));
  const auto dx = sum_backward(on_device<T>(Shape{2}, {7, 8}), f.saved);
  CHECK(same_bits(dx, on_device<T>(Shape{2, 3}, {7, 7, 7, 8, 8, 8})));
  const auto x = on_device<T>(Shape{2, 3}, {1, INFINITY, 3, 4, 5, NAN});
  const auto y = on_host(sum(x, 1));
  CHECK(y(0) == INFINITY);
  CHECK(std::isnan(double(y(1))));
  CHECK(std::isnan(double(sum(x).item())));
}

TEST_CASE("sum refuses an axis that is not there, and gradients of another shape") {
  const Tensor<float, 2> x(2, 3);
  expect_invalid([&] { (void)sum(x, 2); }, {"sum: axis 2 of a tensor of rank 2; expected -2 to 1"});
  const auto [y, saved] = sum_forward(x, 1);
  expect_message(message_of<InvalidArgument>([&, s = &saved] { (void)sum_backward(Tensor<float, 1>(3), *s); }),
                 {"sum_backward: dy is [3] float", "expected [2]"});
}
