#include <quern/ops/add.hpp>

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
template <class T>
struct Inputs3 {
  Tensor<T, 3> a, b;
  static void visit(auto&& f, auto&... m) { f("a", m.a...), f("b", m.b...); }
};

const auto sum = [](const auto& in) { return add(in.a, in.b); };
const auto naive = [](const auto& in) {
  std::vector<double> y;
  for (std::int64_t i = 0; i < in.a.size(); ++i) y.push_back(in.a.data()[i] + in.b.data()[i]);
  return y;
};

}  // namespace

TEST_CASE("add") {
  for (auto shape : {Shape{0, 5}, Shape{5, 0}, Shape{1, 1}, Shape{9, 1}, Shape{1, 17}, Shape{7, 13}, Shape{64, 33}})
    expect_op(Inputs<double>{drawn(shape, 1), drawn(shape, 2)}, {}, sum, naive);
  expect_op(Inputs<double>{drawn(Shape{3, 16389}, 1), drawn(Shape{3, 16389}, 2)}, {.most = 12}, sum, naive);
  expect_op<false>(Inputs3<double>{drawn(Shape{2, 3, 5}, 1), drawn(Shape{2, 3, 5}, 2)}, {}, sum, naive);
}

TEST_CASE("add: a tensor added to itself gets both gradients") {
  expect_op(
      Inputs<double>{drawn(Shape{3, 5}, 1), drawn(Shape{3, 5}, 2)}, {.backward_terms = 2},
      [](const auto& in) { return add(add(in.a, in.a), in.b); },
      [](const auto& in) {
        std::vector<double> y;
        for (std::int64_t i = 0; i < in.a.size(); ++i) y.push_back(2 * in.a.data()[i] + in.b.data()[i]);
        return y;
      });
}

TEST_CASE("add: backward gives the gradient of the sum to both") {
  const auto dy = drawn(Shape{3, 4}, 1);
  const auto [y, saved] = add_forward(dy, dy);
  const auto d = add_backward(dy, saved);
  CHECK(same_bits(d.a, dy));
  CHECK(same_bits(d.b, dy));
  CHECK(y(2, 3) == 2 * dy(2, 3));
}

TEST_CASE("add: a constant beside a recorded tensor gets no gradient, and does not stop the other's") {
  const auto x = drawn(Shape{2, 3}, 1), constant = drawn(Shape{2, 3}, 2);
  for (bool left : {true, false}) {
    Tensor<double, 2> dx(2, 3);
    Tape tape;
    const auto r = tape.watch(x, dx);
    tape.backward(weighted_sum(left ? add(r, constant) : add(constant, r), drawn_weights(6)));
    CHECK(std::vector<double>(dx.span().begin(), dx.span().end()) == drawn_weights(6));
  }
}

TEST_CASE("add refuses different shapes") {
  Inputs<float> m{Tensor<float, 2>(3, 4), Tensor<float, 2>(4, 3)};
  name_parameters(m);
  expect_invalid([&] { (void)add(m.a, m.b); }, {"add: ", "a (a) is [3, 4] float cpu", "b (b) is [4, 3] float cpu"});
  expect_invalid([&] { (void)add_forward(m.a, m.b); }, {"add: ", "[3, 4]", "[4, 3]"});
  Tape tape;
  auto grads = zeros_like(m);
  const auto r = tape.watch(m, grads);
  expect_invalid([&] { (void)add(r.a, r.b); }, {"add: ", "a (a) is [3, 4]", "b (b) is [4, 3]"});
  CHECK(tape.size() == 0);
}
