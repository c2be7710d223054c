#include <quern/ops/mul.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"

using namespace test;

namespace {

template <class T>
struct Inputs {
  Tensor<T, 2> a, b;
  static void visit(auto&& f, auto&... m) { f("a", m.a...), f("b", m.b...); }
};
const auto op = [](const auto& in) { return mul(in.a, in.b); };
const auto naive = [](const auto& in) {
  std::vector<double> y;
  for (std::int64_t i = 0; i < in.a.size(); ++i) y.push_back(in.a.data()[i] * in.b.data()[i]);
  return y;
};

}  // namespace

TEST_CASE("mul") {
  for (auto shape : {Shape{0, 5}, Shape{5, 0}, Shape{9, 1}, Shape{1, 17}, Shape{7, 13}})
    expect_op(Inputs<double>{drawn(shape, 1), drawn(shape, 2)}, {}, op, naive);
  expect_op(Inputs<double>{drawn(Shape{3, 16389}, 1), drawn(Shape{3, 16389}, 2)}, {.most = 12}, op, naive);
}

TEST_CASE("mul: a tensor times itself gets both gradients") {
  expect_op<false>(
      Inputs<double>{drawn(Shape{3, 5}, 1), drawn(Shape{3, 5}, 2)}, {.terms = 3, .backward_terms = 4},
      [](const auto& in) { return mul(mul(in.a, in.a), in.b); },
      [](const auto& in) {
        std::vector<double> y;
        for (std::int64_t i = 0; i < in.a.size(); ++i) y.push_back(in.a.data()[i] * in.a.data()[i] * in.b.data()[i]);
        return y;
      });
}

TEST_CASE("mul: backward by hand multiplies with the other") {
  const auto dy = drawn(Shape{3, 4}, 1), a = drawn(Shape{3, 4}, 2), b = drawn(Shape{3, 4}, 3);
  const auto [y, saved] = mul_forward(a, b);
  const auto d = mul_backward(dy, a, b, saved);
  for (int i = 0; i < 12; ++i) {
    CHECK(y.data()[i] == a.data()[i] * b.data()[i]);
    CHECK(d.a.data()[i] == dy.data()[i] * b.data()[i]);
    CHECK(d.b.data()[i] == dy.data()[i] * a.data()[i]);
  }
  expect_message(message_of<InvalidArgument>([&] {
                   (void)mul_backward(drawn(Shape{4, 3}, 1), a, b);
                 }),
                 {"mul_backward: ", "dy is [4, 3] double", "a is [3, 4] double"});
}

TEST_CASE("mul: a constant beside a recorded tensor is a factor, on either side") {
  const auto x = drawn(Shape{2, 3}, 1), constant = drawn(Shape{2, 3}, 2);
  for (bool left : {true, false}) {
    Tensor<double, 2> dx(2, 3);
    Tape tape;
    const auto r = tape.watch(x, dx);
    tape.backward(weighted_sum(left ? mul(r, constant) : mul(constant, r), drawn_weights(6)));
    for (int i = 0; i < 6; ++i) CHECK(dx.data()[i] == drawn_weights(6)[std::size_t(i)] * constant.data()[i]);
  }
}

TEST_CASE("mul refuses different shapes") {
  Inputs<float> m{Tensor<float, 2>(3, 4), Tensor<float, 2>(4, 3)};
  name_parameters(m);
  expect_invalid([&] { (void)mul(m.a, m.b); }, {"mul: ", "a (a) is [3, 4] float cpu", "b (b) is [4, 3] float cpu"});
  Tape tape;
  auto grads = zeros_like(m);
  const auto r = tape.watch(m, grads);
  expect_invalid([&] { (void)mul(r.a, r.b); }, {"mul: ", "a (a) is [3, 4]", "b (b) is [4, 3]"});
  CHECK(tape.size() == 0);
}
