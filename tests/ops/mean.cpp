#include <quern/ops/mean.hpp>

#include <quern/ops/reshape.hpp>

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

/// The sums are tested in sum.cpp; here that they are divided by the right number.
void expect_mean(Shape<3> shape, int axis, std::int64_t most = 0) {
  const std::int64_t n = axis == everything ? shape.size() : shape[axis];
  expect_op(
      Inputs<double>{drawn(shape, 1)}, {.terms = n, .most = most},
      [=](const auto& in) {
        return axis == everything ? reshape(mean(in.x), Shape{1, 1}) : mean(in.x, axis);
      },
      [=](const Inputs<double>& in) {
        const auto sums = axis == everything ? reshape(sum(in.x), Shape{1, 1}) : sum(in.x, axis);
        std::vector<double> y;
        for (double s : sums.span()) y.push_back(s / double(n));
        return y;
      });
}

}  // namespace

TEST_CASE("mean") {
  for (int axis : {0, 1, 2, everything}) {
    expect_mean({3, 4, 5}, axis);
    expect_mean({1, 1, 1}, axis);
    expect_mean({2, 7, 70}, axis, 30);
  }
  expect_mean({0, 4, 3}, 1);
}

TEST_CASE_TEMPLATE("mean: backward as a function gives every element its share", T, float, SecondNumber) {
  const auto f = mean_forward(on_device<T>(Shape{2, 4}, {1, 2, 3, 6, 0, 0, 0, 1}), -1);
  CHECK(same_bits(f.y, on_device<T>(Shape{2}, {3, 0.25})));
  const auto dx = mean_backward(on_device<T>(Shape{2}, {8, 2}), f.saved);
  CHECK(same_bits(dx, on_device<T>(Shape{2, 4}, {2, 2, 2, 2, 0.5, 0.5, 0.5, 0.5})));
}

TEST_CASE("mean refuses to divide by nothing") {
  const Tensor<float, 2> x(3, 0);
  expect_invalid([&] { (void)mean(x, 1); }, {"mean: axis 1 has no elements", "x is [3, 0] float"});
  expect_invalid([&] { (void)mean(x); }, {"mean: no elements"});
  expect_invalid([&] { (void)mean(x, -3); }, {"mean: axis -3 of a tensor of rank 2"});
}
