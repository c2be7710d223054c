#include <quern/autograd/custom_op.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <quern/autograd/gradcheck.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/weighted_sum.hpp"

using namespace test;

namespace {

template <class T>
struct Inputs {
  Tensor<T, 2> x, y;
  static void visit(auto&& f, auto&... m) { f("x", m.x...), f("y", m.y...); }
};

Inputs<double> inputs() { return {drawn_off_zero(Shape{3, 4}, 1), drawn_off_zero(Shape{3, 4}, 2)}; }

auto each(const auto& a, const auto& b, auto&& f) {
  auto out = empty_like(a);
  for (std::int64_t i = 0; i < a.size(); ++i) out.data()[i] = f(a.data()[i], b.data()[i]);
  return out;
}

/// The same op, x² y, in the three forms that forward may have.
const auto value_of = [](const auto& x, const auto& y) { return each(x, y, [](auto a, auto b) { return a * a * b; }); };
const auto gradients = [](const auto& dz, const auto& x, const auto& y) {
  auto dx = each(x, y, [](auto a, auto b) { return 2 * a * b; });
  auto dy = each(x, x, [](auto a, auto) { return a * a; });
  const auto times = [](auto a, auto b) { return a * b; };
  return std::tuple{each(dz, dx, times), each(dz, dy, times)};
};
const auto from_inputs = [](const auto& x, const auto& y) { return custom_op("x²y", value_of, gradients, x, y); };
const auto from_pair = [](const auto& x, const auto& y) {
  const auto forward = [](const auto& a, const auto& b) {
    return std::pair{value_of(a, b), std::pair{a.share(), b.share()}};
  };
  const auto backward = [](const auto& dz, const auto& saved) { return gradients(dz, saved.first, saved.second); };
  return custom_op("x²y", forward, backward, x, y);
};
template <class T>
struct Forward {
  Tensor<T, 2> y;
  std::pair<Tensor<T, 2>, Tensor<T, 2>> saved;
};
const auto from_struct = [](const auto& x, const auto& y) {
  const auto forward = []<class T>(const Tensor<T, 2>& a, const Tensor<T, 2>& b) {
    return Forward<T>{value_of(a, b), {a.share(), b.share()}};
  };
  const auto backward = [](const auto& dz, const auto& saved) { return gradients(dz, saved.first, saved.second); };
  return custom_op("x²y", forward, backward, x, y);
};

/// Σ x, of another rank than its input; of one input the gradient may come without a tuple.
const auto total = [](const auto& x) {
  const auto forward = []<class T>(const Tensor<T, 2>& a) {
    T sum = 0;
    for (T v : a.span()) sum += v;
    return std::pair{Tensor<T, 0>::of(Shape<0>{}, {sum}), a.shape()};
  };
  const auto backward = []<class T>(const Tensor<T, 0>& dsum, const Shape<2>& shape) {
    Tensor<T, 2> dx(shape);
    dx.fill(dsum.item());
    return dx;
  };
  return custom_op("total", forward, backward, x);
};

void expect_x2y(auto&& op) {
  const auto in = inputs();
  const auto report = gradcheck(in, [&](const auto& m) { return total(op(m.x, op(m.x, m.y))); });
  CHECK_MESSAGE(report.ok(), report.text());
  CHECK(report.parameters.size() == 2);
  CHECK(op(in.x, in.y)(1, 2) == in.x(1, 2) * in.x(1, 2) * in.y(1, 2));
}

}  // namespace

TEST_CASE("custom_op: value and gradients, from what forward saved or from the inputs") {
  expect_x2y(from_inputs);
  expect_x2y(from_pair);
  expect_x2y(from_struct);
}

TEST_CASE("custom_op stands on the tape under its name; a constant beside a recorded input gets no gradient") {
  const auto in = inputs();
  auto grads = zeros_like(in);
  Tape tape;
  const auto m = tape.watch(in, grads);
  const auto z = from_inputs(m.x, in.y);
  CHECK(tape.size() == 1);
  CHECK(std::string(tape.next_op()) == "x²y");
  tape.backward(total(z));
  CHECK(grads.x(2, 3) == 2 * in.x(2, 3) * in.y(2, 3));
  CHECK(tape.without_gradient() == std::vector<std::string>{"y"});
}

TEST_CASE("custom_op: a gradient of another shape is refused by the op's name and the input's number") {
  const auto in = inputs();
  auto grads = zeros_like(in);
  const auto wrong = [](const auto& dz, const auto&, const auto&) {
    return std::tuple{dz.share(), Tensor<double, 2>(4, 3)};
  };
  const auto refuse = [&](const auto& x, const auto& y) {
    Tape tape;
    const auto m = tape.watch(in, grads);
    const auto loss = total(custom_op("mine", value_of, wrong, x(m), y(m)));
    return message_of<InvalidArgument>([&] { tape.backward(loss); });
  };
  const auto x = [](const auto& m) { return m.x; };
  const auto y = [](const auto& m) { return m.y; };
  const auto constant = [&](const auto&) { return in.y.share(); };
  expect_message(refuse(x, y), {"mine: backward returned a gradient that is [4, 3] double cpu, for input 1, which is "
                                "[3, 4]; a gradient has the shape of its input"});
  expect_message(refuse(x, constant), {"mine: backward returned a gradient that is [4, 3]"});
}
