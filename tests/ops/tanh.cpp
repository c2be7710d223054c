#include <quern/ops/tanh.hpp>

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
const auto op = [](const auto& in) { return tanh(in.x); };
const auto naive = [](const auto& in) {
  std::vector<double> y;
  for (auto v : in.x.span()) y.push_back(std::tanh(v));
  return y;
};

}  // namespace

TEST_CASE("tanh") {
  for (auto shape : {Shape{0, 5}, Shape{5, 0}, Shape{9, 1}, Shape{1, 17}, Shape{7, 13}})
    expect_op(Inputs<double>{drawn(shape, 3)}, {.backward_kept = 1}, op, naive);
  expect_op(Inputs<double>{drawn(Shape{3, 16389}, 1)}, {.most = 12, .backward_kept = 1}, op, naive);
}

TEST_CASE_TEMPLATE("tanh at the ends of the line, value and slope", T, float, double, bf16) {
  if (has_cuda && !has_kernels<T>) return;  // double is for the CPU
  constexpr float infinity = std::numeric_limits<float>::infinity(), missing = std::numeric_limits<float>::quiet_NaN();
  struct Row {
    float x, y, slope;
  };
  for (const auto& row : {Row{infinity, 1, 0}, Row{100, 1, 0}, Row{0, 0, 1}, Row{-100, -1, 0}, Row{-infinity, -1, 0}}) {
    Tensor<T, 2> x(1, 3), dy(1, 3);
    x.fill(T(row.x)), dy.fill(T(2));
    const auto [at_y, saved] = tanh_forward(on_device(x));
    const auto y = on_host(at_y), dx = on_host(tanh_backward(on_device(dy), saved));
    for (auto v : y.span()) CHECK(std::abs(double(v) - row.y) <= 1e-30);
    for (auto v : dx.span()) CHECK(std::abs(double(v) - 2 * row.slope) <= 1e-30);
    x.fill(T(missing));
    const auto none = on_host(tanh(on_device(x)));
    for (auto v : none.span()) CHECK(std::isnan(double(v)));
  }
}

TEST_CASE("tanh of texts works row by row and keeps their offsets") {
  const auto offsets = offsets_of({2, 1});
  const Packed<double> x{drawn(Shape{3, 4}, 1), offsets};
  const auto y = tanh(x);
  CHECK(same_bits(y.rows, tanh(x.rows)));
  CHECK(same_bits(y.offsets, offsets));
}

TEST_CASE("tanh_backward refuses a gradient of another shape") {
  const auto [y, saved] = tanh_forward(Tensor<float, 2>(2, 3));
  const auto message = message_of<InvalidArgument>([s = &saved] { (void)tanh_backward(Tensor<float, 2>(3, 2), *s); });
  expect_message(message, {"tanh_backward: ", "dy is [3, 2] float", "y is [2, 3] float"});
}
