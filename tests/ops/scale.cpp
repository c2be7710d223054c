#include <quern/ops/scale.hpp>

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
const auto op = [](const auto& in) { return scale(in.x, -0.375); };
const auto naive = [](const auto& in) {
  std::vector<double> y;
  for (auto v : in.x.span()) y.push_back(-0.375 * v);
  return y;
};

}  // namespace

TEST_CASE("scale") {
  for (auto shape : {Shape{0, 5}, Shape{5, 0}, Shape{9, 1}, Shape{1, 17}, Shape{7, 13}})
    expect_op(Inputs<double>{drawn(shape, 3)}, {}, op, naive);
  expect_op(Inputs<double>{drawn(Shape{3, 16389}, 1)}, {.most = 12}, op, naive);
}

TEST_CASE("scale: backward by hand is the same product") {
  const auto x = drawn(Shape{3, 4}, 1);
  const auto [y, saved] = scale_forward(x, 8);
  const auto dx = scale_backward(y, saved);
  CHECK(saved.factor == 8);
  for (int i = 0; i < 12; ++i) CHECK(dx.data()[i] == 64 * x.data()[i]);
}

TEST_CASE("scale: bf16 is multiplied in float and rounded once") {
  Tensor<bf16, 2> x(1, 3);
  x.fill(bf16(3));
  const auto third = on_host(scale(on_device(x), 1.0 / 3)), large = on_host(scale(on_device(x), 1e30));
  for (auto v : third.span()) CHECK(v == bf16(1));  // a third rounded to bf16 first would give 1.0039
  for (auto v : large.span()) CHECK(v == bf16(3e30f));
}

TEST_CASE("scale of texts works row by row and keeps their offsets") {
  const auto offsets = offsets_of({2, 1});
  const Packed<double> x{drawn(Shape{3, 4}, 1), offsets};
  const auto y = scale(x, 3);
  CHECK(same_bits(y.rows, scale(x.rows, 3)));
  CHECK(same_bits(y.offsets, offsets));
}
