#include <quern/ops/log_softmax.hpp>

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
const auto op = [](const auto& in) { return log_softmax(in.x); };
const auto naive = [](const auto& in) {
  std::vector<double> y;
  for (std::int64_t r = 0; r < in.x.extent(0); ++r) {
    double sum = 0;
    for (std::int64_t c = 0; c < in.x.extent(1); ++c) sum += std::exp(in.x(r, c));
    for (std::int64_t c = 0; c < in.x.extent(1); ++c) y.push_back(in.x(r, c) - std::log(sum));
  }
  return y;
};

/// The loss's weights of a row add up: to about √n.
OpCase log_softmax_case(std::int64_t n, std::int64_t most = 0) {
  return {.terms = 8, .backward_terms = 16 + 2 * std::int64_t(std::sqrt(double(n))), .most = most, .backward_kept = 4};
}

}  // namespace

TEST_CASE("log_softmax") {
  for (auto shape : {Shape{0, 5}, Shape{5, 0}, Shape{1, 2}, Shape{1, 17}, Shape{7, 13}, Shape{5, 131}})
    expect_op(Inputs<double>{drawn(shape, 3)}, log_softmax_case(shape[1]), op, naive);
  for (std::int64_t n : {8, 264, 520, 776, 1000, 1032})  // a warp's rows, in packs and not, and a block's
    expect_op(Inputs<double>{drawn(Shape{3, n}, 2)}, log_softmax_case(n, 12), op, naive);
  expect_op(Inputs<double>{drawn(Shape{2000, 21}, 1)}, log_softmax_case(21, 12), op, naive);
  expect_op(Inputs<double>{drawn(Shape{2, 17001}, 1)}, log_softmax_case(17001, 12), op, naive);
}

TEST_CASE_TEMPLATE("log_softmax of one column is 0, whatever the gradient", T, float, SecondNumber) {
  Tensor<T, 2> x(3, 1), dy(3, 1);
  x(0, 0) = T(-1e4), x(1, 0) = T(0), x(2, 0) = T(1e4);
  dy.fill(T(3));
  const auto f = log_softmax_forward(on_device(x));
  const auto y = on_host(f.y), dx = on_host(log_softmax_backward(on_device(dy), f.saved));
  for (int r = 0; r < 3; ++r) {
    CHECK(y(r, 0) == 0);
    CHECK(dx(r, 0) == 0);
  }
}

TEST_CASE_TEMPLATE("log_softmax keeps what softmax rounds to 0, and does not overflow", T, float, SecondNumber) {
  const auto y = on_host(log_softmax(on_device<T>(Shape{2, 3}, {1e4, -1e4, 1e4, 0, -INFINITY, -1e30})));
  CHECK(y(0, 0) == T(-std::log(2.0)));
  CHECK(double(y(0, 1)) == doctest::Approx(-2e4 - std::log(2.0)).epsilon(std::is_same_v<T, bf16> ? 0.004 : 1e-7));
  CHECK(y(1, 0) == 0);
  CHECK(y(1, 1) == -INFINITY);
  CHECK(y(1, 2) == T(-1e30));
  CHECK(std::isnan(double(on_host(log_softmax(on_device<T>(Shape{1, 2}, {0, NAN})))(0, 0))));
}

TEST_CASE("log_softmax_backward refuses a gradient of another shape") {
  const auto [y, saved] = log_softmax_forward(Tensor<float, 2>(2, 3));
  const auto message =
      message_of<InvalidArgument>([s = &saved] { (void)log_softmax_backward(Tensor<float, 2>(3, 2), *s); });
  expect_message(message, {"log_softmax_backward: ", "dy is [3, 2] float", "y is [2, 3] float"});
}
