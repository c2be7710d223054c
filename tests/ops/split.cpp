#include <quern/ops/split.hpp>

#include <quern/ops/concat.hpp>

#include <algorithm>

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

/// The parts, put together again in the opposite order.
void expect_split(std::int64_t rows, const std::vector<std::int64_t>& sizes, std::int64_t equal = 0) {
  expect_op(
      Inputs<double>{drawn(Shape{rows, sum_of(sizes)}, 1)}, {},
      [=](const auto& in) {
        auto parts = equal ? split(in.x, equal) : split(in.x, sizes);
        CHECK(parts.size() == sizes.size());
        std::reverse(parts.begin(), parts.end());
        return concat(parts);
      },
      [=](const Inputs<double>& in) {
        std::vector<double> y;
        for (std::int64_t r = 0; r < rows; ++r)
          for (std::int64_t end = sum_of(sizes), i = std::int64_t(sizes.size()) - 1; i >= 0; --i) {
            for (std::int64_t c = end - sizes[std::size_t(i)]; c < end; ++c) y.push_back(in.x(r, c));
            end -= sizes[std::size_t(i)];
          }
        return y;
      });
}

}  // namespace

TEST_CASE("split") {
  expect_split(1, {1});
  expect_split(0, {2, 3});
  expect_split(3, {0, 2, 0, 1});
  expect_split(7, {3, 1, 17});
  expect_split(4, {4, 4, 4}, 4);
  expect_split(4, {4, 4, 1}, 4);
  expect_split(2, {0}, 3);
}

TEST_CASE("split along any axis gives its slices, and backward puts gradients together") {
  const auto x = drawn(Shape{4, 5, 3}, 1);
  for (int axis : {0, 1, -1}) {
    const auto [parts, saved] = split_forward(x, {1, x.extent(axis < 0 ? 2 : axis) - 1}, axis);
    CHECK(same_bits(parts[0], slice(x, axis, 0, 1)));
    CHECK(same_bits(parts[1], slice(x, axis, 1, x.extent(axis < 0 ? 2 : axis))));
    CHECK(same_bits(split_backward(parts, saved), x));
  }
  CHECK(split(x, 2, 1).size() == 3);
}

TEST_CASE("split: a part that the loss does not use leaves zeros") {
  const Inputs<double> in{drawn(Shape{2, 3}, 1)};
  auto grads = zeros_like(in);
  Tape tape;
  const auto parts = split(tape.watch(in, grads).x, {1, 2});
  CHECK(tape.size() == 2);
  CHECK(std::string(tape.next_op()) == "split");
  tape.backward(weighted_sum(parts[1], {1, 2, 3, 4}));
  CHECK(same_bits(grads.x, Tensor<double, 2>::of({2, 3}, {0, 1, 2, 0, 3, 4})));
}

TEST_CASE("split refuses sizes that do not make up the axis") {
  Inputs<float> in{Tensor<float, 2>(2, 5)};
  name_parameters(in);
  expect_invalid(
      [&] {
        (void)split(in.x, {2, 2});
      },
      {"split: the sizes sum to 4, axis 1 has 5", "x (x) is [2, 5] float"});
  expect_invalid([&] { (void)split(in.x, {7, -2}); }, {"split: a part of -2"});
  expect_invalid([&] { (void)split(in.x, 0); }, {"split: parts of 0; expected at least 1"});
  expect_invalid([&] { (void)split(in.x, 1, 2); }, {"split: axis 2 of a tensor of rank 2"});
  const auto [parts, saved] = split_forward(in.x, {2, 3});
  expect_message(
      message_of<InvalidArgument>([&, p = &parts, s = &saved] { (void)split_backward(std::vector{p->at(0)}, *s); }),
      {"split_backward: 1 gradients for 2 parts"});
}
