#include <quern/ops/softmax.hpp>

#include <cmath>

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

const auto op = [](const auto& in) { return softmax(in.x); };
const auto naive = [](const auto& in) {
  std::vector<double> y;
  const std::int64_t n = in.x.shape().last();
  for (std::int64_t begin = 0; begin < in.x.size(); begin += n) {
    double sum = 0;
    for (std::int64_t c = 0; c < n; ++c) sum += std::exp(in.x.data()[begin + c]);
    for (std::int64_t c = 0; c < n; ++c) y.push_back(std::exp(in.x.data()[begin + c]) / sum);
  }
  return y;
};

/// Sums of n exponentials up to e, whose softmax is about 1/n: the terms do not add up. Backward takes the rounded y.
OpCase softmax_case(std::int64_t n, std::int64_t most = 0) {
  return {.terms = 8, .backward_terms = 16, .most = most, .backward_kept = 2.0 / double(std::max<std::int64_t>(n, 1))};
}

}  // namespace

TEST_CASE("softmax") {
  for (auto shape : {Shape{0, 5}, Shape{5, 0}, Shape{1, 2}, Shape{1, 17}, Shape{7, 13}, Shape{33, 64}})
    expect_op(Inputs<double>{drawn(shape, 3)}, softmax_case(shape[1]), op, naive);
  for (std::int64_t n : {8, 40, 264, 520, 776, 1000, 1024, 1032})  // a warp's rows, in packs and not, and a block's
    expect_op(Inputs<double>{drawn(Shape{3, n}, 2)}, softmax_case(n, 12), op, naive);
  expect_op(Inputs<double>{drawn(Shape{2000, 21}, 1)}, softmax_case(21, 12), op, naive);
  expect_op(Inputs<double>{drawn(Shape{2, 17001}, 1)}, softmax_case(17001, 12), op, naive);
  expect_op<false>(Inputs3<double>{drawn(Shape{2, 3, 5}, 1)}, softmax_case(5), op, naive);
}

TEST_CASE_TEMPLATE("softmax of one column is 1, whatever the gradient", T, float, SecondNumber) {
  Tensor<T, 2> x(3, 1), dy(3, 1);
  x(0, 0) = T(-1e4), x(1, 0) = T(0), x(2, 0) = T(1e4);
  dy.fill(T(3));
  const auto f = softmax_forward(on_device(x));
  const auto y = on_host(f.y), dx = on_host(softmax_backward(on_device(dy), f.saved));
  for (int r = 0; r < 3; ++r) {
    CHECK(y(r, 0) == 1);
    CHECK(dx(r, 0) == 0);
  }
}

TEST_CASE_TEMPLATE("softmax does not overflow", T, float, SecondNumber) {
  const auto y = on_host(softmax(on_device<T>(Shape{2, 3}, {1e4, -1e4, 1e4, 0, -INFINITY, -1e30})));
  CHECK(y(0, 0) == T(0.5));
  CHECK(y(0, 1) == 0);
  CHECK(y(0, 2) == T(0.5));
  CHECK(y(1, 0) == 1);
  CHECK(y(1, 1) == 0);
  CHECK(y(1, 2) == 0);
  CHECK(std::isnan(double(on_host(softmax(on_device<T>(Shape{1, 2}, {0, NAN})))(0, 0))));
}

TEST_CASE("softmax_backward refuses a gradient of another shape") {
  const auto [y, saved] = softmax_forward(Tensor<float, 2>(2, 3));
  const auto message =
      message_of<InvalidArgument>([s = &saved] { (void)softmax_backward(Tensor<float, 2>(3, 2), *s); });
  expect_message(message, {"softmax_backward: ", "dy is [3, 2] float", "y is [2, 3] float"});
}
