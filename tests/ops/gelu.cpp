#include <quern/ops/gelu.hpp>

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

const auto op = [](const auto& in) { return gelu(in.x); };
const auto op_tanh = [](const auto& in) { return gelu(in.x, Approximate::tanh); };
const auto naive = [](const auto& in) {
  std::vector<double> y;
  for (auto v : in.x.span()) y.push_back(v * 0.5 * std::erfc(-v / std::sqrt(2.0)));
  return y;
};
const auto naive_tanh = [](const auto& in) {
  std::vector<double> y;
  for (auto v : in.x.span())
    y.push_back(0.5 * v * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (v + 0.044715 * v * v * v))));
  return y;
};

}  // namespace

TEST_CASE("gelu, with erf and with tanh") {
  for (auto shape : {Shape{0, 5}, Shape{5, 0}, Shape{9, 1}, Shape{1, 17}, Shape{7, 13}}) {
    expect_op(wide(shape, 3), {.terms = 8, .backward_terms = 8}, op, naive);
    expect_op(wide(shape, 3), {.terms = 8, .backward_terms = 8}, op_tanh, naive_tanh);
  }
  expect_op(wide(Shape{3, 16389}, 1), {.terms = 8, .backward_terms = 8, .most = 12}, op, naive);
}

TEST_CASE("gelu's two forms differ, by less than 0.0005") {
  const auto x = wide(Shape{1, 1000}, 1).x;
  const auto y = gelu(x), z = gelu(x, Approximate::tanh);
  double most = 0;
  for (int i = 0; i < 1000; ++i) most = std::max(most, std::abs(y(0, i) - z(0, i)));
  CHECK(most > 0.0001);
  CHECK(most < 0.0005);
}

TEST_CASE_TEMPLATE("gelu at the ends of the line, value and slope", T, float, double, bf16) {
  if (has_cuda && !has_kernels<T>) return;  // double is for the CPU
  constexpr float infinity = std::numeric_limits<float>::infinity(), missing = std::numeric_limits<float>::quiet_NaN();
  struct Row {
    float x, y, slope;
  };
  for (auto approximate : {Approximate::none, Approximate::tanh})
    for (const auto& row : {Row{infinity, infinity, 1}, Row{0x1p70f, 0x1p70f, 1}, Row{64, 64, 1}, Row{0, 0, 0.5f},
                            Row{-64, 0, 0}, Row{-0x1p70f, 0, 0}, Row{-infinity, 0, 0}}) {
      Tensor<T, 2> x(1, 3), dy(1, 3);
      x.fill(T(row.x)), dy.fill(T(2));
      const auto [at_y, saved] = gelu_forward(on_device(x), approximate);
      const auto y = on_host(at_y), dx = on_host(gelu_backward(on_device(dy), saved));
      for (auto v : y.span()) CHECK(v == T(row.y));
      for (auto v : dx.span()) CHECK(std::abs(double(v) - 2 * row.slope) <= 1e-30);
      x.fill(T(missing));
      const auto none = on_host(gelu(on_device(x), approximate));
      for (auto v : none.span()) CHECK(std::isnan(double(v)));
    }
}

TEST_CASE("gelu of texts works row by row and keeps their offsets") {
  const auto offsets = offsets_of({2, 1});
  const Packed<double> x{drawn(Shape{3, 4}, 1), offsets};
  const auto y = gelu(x, Approximate::tanh);
  CHECK(same_bits(y.rows, gelu(x.rows, Approximate::tanh)));
  CHECK(same_bits(y.offsets, offsets));
}

TEST_CASE("gelu_backward refuses a gradient of another shape") {
  const auto [y, saved] = gelu_forward(Tensor<float, 2>(2, 3), Approximate::tanh);
  const auto message = message_of<InvalidArgument>([s = &saved] { (void)gelu_backward(Tensor<float, 2>(3, 2), *s); });
  expect_message(message, {"gelu_backward: ", "dy is [3, 2] float", "x is [2, 3] float"});
}
