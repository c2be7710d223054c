#include <quern/ops/slice.hpp>

#include <quern/ops/add.hpp>

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

/// The sum of two slices of equal length, so that ranges meet, overlap or are one.
void expect_slices(Shape<3> shape, int axis, std::int64_t first, std::int64_t second, std::int64_t length,
                   std::int64_t most = 0) {
  expect_op(
      Inputs<double>{drawn(shape, 1)}, {.backward_terms = 2, .most = most},
      [=](const auto& in) {
        return add(slice(in.x, axis, first, first + length), slice(in.x, axis, second, second + length));
      },
      [=](const Inputs<double>& in) {
        Shape<3> rest = shape, at{0, 0, 0}, other{0, 0, 0};
        rest[axis < 0 ? axis + 3 : axis] = length;
        at[axis < 0 ? axis + 3 : axis] = first, other[axis < 0 ? axis + 3 : axis] = second;
        std::vector<double> y;
        for (std::int64_t i = 0; i < rest[0]; ++i)
          for (std::int64_t j = 0; j < rest[1]; ++j)
            for (std::int64_t k = 0; k < rest[2]; ++k)
              y.push_back(in.x(at[0] + i, at[1] + j, at[2] + k) + in.x(other[0] + i, other[1] + j, other[2] + k));
        return y;
      });
}

}  // namespace

TEST_CASE("slice") {
  expect_slices({5, 3, 4}, 0, 1, 3, 2);
  expect_slices({3, 5, 2}, 1, 0, 2, 3);
  expect_slices({3, 2, 19}, -1, 1, 1, 18);
  expect_slices({2, 3, 4}, 2, 0, 4, 0);
  expect_slices({0, 3, 4}, 1, 0, 1, 2);
  expect_slices({1, 1, 1}, 0, 0, 0, 1);
  expect_slices({3, 90, 77}, 1, 5, 20, 70, 50);
}

TEST_CASE(
    "slice: backward as a function gives zeros outside the range; into a gradient that lists its rows it marks all") {
  const auto x = drawn(Shape{3, 4}, 1), dy = drawn(Shape{3, 2}, 2);
  const auto [y, saved] = slice_forward(x, 1, 1, 3);
  CHECK(y(2, 1) == x(2, 2));
  const auto dx = slice_backward(dy, saved);
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 4; ++c) CHECK(dx(r, c) == (c == 1 || c == 2 ? dy(r, c - 1) : 0));
  const Inputs<float> in{Tensor<float, 3>({1, 3, 4}, test_device())};
  auto grads = zeros_like(in);
  Tape tape;
  const auto part = slice(tape.watch(in, grads).x, 1, 0, 1);
  tape.backward(weighted_sum(part, drawn_weights(4)));
  CHECK_FALSE(is_row_sparse(grads.x));
  CHECK(on_host(grads.x)(0, 0, 3) == float(drawn_weights(4)[3]));
}

TEST_CASE("slice refuses ranges and axes that are not there") {
  Inputs<float> in{Tensor<float, 3>(2, 3, 4)};
  name_parameters(in);
  expect_invalid([&] { (void)slice(in.x, 1, 2, 4); },
                 {"slice: elements 2 to 4 of axis 1, which has 3", "x (x) is [2, 3, 4] float"});
  expect_invalid([&] { (void)slice(in.x, -1, 3, 2); }, {"slice: elements 3 to 2 of axis 2, which has 4"});
  expect_invalid([&] { (void)slice(in.x, 0, -1, 2); }, {"slice: elements -1 to 2 of axis 0"});
  expect_invalid([&] { (void)slice(in.x, 3, 0, 1); }, {"slice: axis 3 of a tensor of rank 3; expected -3 to 2"});
  expect_invalid([&] { (void)slice(in.x, -4, 0, 1); }, {"slice: axis -4 of a tensor of rank 3"});
  const auto saved = slice_forward(in.x, 1, 0, 2).saved;
  expect_message(message_of<InvalidArgument>([&] { (void)slice_backward(Tensor<float, 3>(2, 3, 4), saved); }),
                 {"slice_backward: dy is [2, 3, 4] float", "the slice is [2, 2, 4]"});
}
