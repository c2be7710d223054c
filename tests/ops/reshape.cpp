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

void expect_reshape(Shape<3> from, Shape<2> asked, Shape<2> to) {
  expect_op(
      Inputs<double>{drawn(from, 1)}, {},
      [=](const auto& in) {
        auto y = reshape(in.x, asked);
        CHECK(y.shape() == to);
        return y;
      },
      [](const Inputs<double>& in) { return std::vector<double>(in.x.span().begin(), in.x.span().end()); });
}

}  // namespace

TEST_CASE("reshape") {
  expect_reshape({2, 3, 4}, {6, 4}, {6, 4});
  expect_reshape({2, 3, 4}, {-1, 8}, {3, 8});
  expect_reshape({5, 1, 1}, {1, -1}, {1, 5});
  expect_reshape({1, 1, 1}, {1, 1}, {1, 1});
  expect_reshape({0, 3, 4}, {-1, 12}, {0, 12});
}

TEST_CASE("reshape shares the memory, also of gradients") {
  const auto x = drawn(Shape{2, 6}, 1);
  const auto [y, saved] = reshape_forward(x, Shape{3, 2, -1});
  CHECK(y.shape() == Shape{3, 2, 2});
  CHECK(y.data() == x.data());
  const auto dy = drawn(Shape{3, 2, 2}, 2);
  const auto dx = reshape_backward(dy, saved);
  CHECK(dx.shape() == x.shape());
  CHECK(dx.data() == dy.data());
  CHECK(reshape(Tensor<float, 2>(1, 1), Shape<0>{}).item() == 0);
}

TEST_CASE("reshape refuses extents that do not fit") {
  Inputs<float> in{Tensor<float, 3>(2, 3, 4)};
  name_parameters(in);
  expect_invalid(
      [&] {
        (void)reshape(in.x, Shape{5, 5});
      },
      {"reshape: x (x) is [2, 3, 4] float", "24 elements, which do not fit [5, 5]"});
  expect_invalid([&] { (void)reshape(in.x, Shape{-1, 7}); }, {"which do not fit [-1, 7]"});
  expect_invalid([&] { (void)reshape(in.x, Shape{-1, -1}); }, {"which do not fit [-1, -1]"});
  expect_invalid([&] { (void)reshape(in.x, Shape{-2, -12}); }, {"which do not fit [-2, -12]"});
  expect_invalid(
      [&] {
        (void)reshape(Tensor<float, 2>(0, 3), Shape{-1, 0});
      },
      {"0 elements, which do not fit [-1, 0]"});
}
