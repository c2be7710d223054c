#include <quern/ops/transpose.hpp>

#include "support/draw.hpp"
#include "support/expect_op.hpp"

using namespace test;

namespace {

template <class T>
struct Inputs {
  Tensor<T, 3> x;
  static void visit(auto&& f, auto&... m) { f("x", m.x...); }
};

const auto op = [](const auto& in) { return transpose(in.x); };
const auto naive = [](const Inputs<double>& in) {
  std::vector<double> y;
  for (std::int64_t o = 0; o < in.x.extent(0); ++o)
    for (std::int64_t c = 0; c < in.x.extent(2); ++c)
      for (std::int64_t r = 0; r < in.x.extent(1); ++r) y.push_back(in.x(o, r, c));
  return y;
};

}  // namespace

TEST_CASE("transpose") {
  for (auto shape : {Shape{0, 3, 2}, Shape{2, 0, 3}, Shape{1, 1, 1}, Shape{1, 5, 1}, Shape{3, 2, 7}, Shape{2, 17, 33}})
    expect_op(Inputs<double>{drawn(shape, 1)}, {.most = 60}, op, naive);
  expect_op(Inputs<double>{drawn(Shape{2, 300, 50}, 1)}, {.most = 12}, op, naive);  // several chunks
}

TEST_CASE("transpose twice is nothing, and that is its gradient") {
  const auto x = drawn(Shape{19, 34}, 1);
  const auto [y, saved] = transpose_forward(x);
  CHECK(y.shape() == Shape{34, 19});
  CHECK(y(33, 2) == x(2, 33));
  CHECK(same_bits(transpose_backward(y, saved), x));
}
