#include <quern/ops/linear.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"

using namespace test;

namespace {

template <class T>
struct Inputs {
  Tensor<T, 2> x, weight;
  Tensor<T, 1> bias;
  static void visit(auto&& f, auto&... m) { f("x", m.x...), f("weight", m.weight...), f("bias", m.bias...); }
};
template <class T>
struct Inputs1 {
  Tensor<T, 1> x;
  Tensor<T, 2> weight;
  Tensor<T, 1> bias;
  static void visit(auto&& f, auto&... m) { f("x", m.x...), f("weight", m.weight...), f("bias", m.bias...); }
};
template <class T>
struct Inputs3 {
  Tensor<T, 3> x;
  Tensor<T, 2> weight;
  Tensor<T, 1> bias;
  static void visit(auto&& f, auto&... m) { f("x", m.x...), f("weight", m.weight...), f("bias", m.bias...); }
};

Inputs<double> inputs(std::int64_t rows, std::int64_t in, std::int64_t out, bool bias) {
  return {drawn(Shape{rows, in}, 1), drawn(Shape{out, in}, 2), drawn_bias(bias ? out : 0, 3)};
}

auto naive(Activation activation) {
  return [activation](const auto& in) {
    std::vector<double> y;
    const std::int64_t rows = in.x.rows().extent(0), width = in.weight.extent(1);
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t o = 0; o < in.weight.extent(0); ++o) {
        double z = in.bias.size() ? in.bias(o) : 0;
        for (std::int64_t i = 0; i < width; ++i) z += in.x.data()[r * width + i] * in.weight(o, i);
        y.push_back(activation == Activation::relu && z < 0 ? 0 : z);
      }
    return y;
  };
}

auto op(Activation activation) {
  return [activation](const auto& in) { return linear(in.x, in.weight, in.bias, activation); };
}

template <bool with_bf16 = true>
void expect_linear(const auto& in, Activation activation, std::int64_t most = 0) {
  const std::int64_t longest = std::max(in.x.rows().extent(0), in.weight.extent(0));
  expect_op<with_bf16>(in, {.terms = in.weight.extent(1), .backward_terms = longest, .most = most}, op(activation),
                       naive(activation));
}

/// The inputs in T, on the device under test; double has no kernels and stays on the CPU.
template <class T>
auto under_test(const auto& inputs) {
  return to(cast<T>(inputs), std::is_same_v<T, double> ? Device::cpu() : test_device());
}
template <class T>
Tensor<T, 2> gradient(Shape<2> shape, const std::vector<double>& weights, Device device) {
  auto dy = Tensor<T, 2>::empty(shape);
  for (std::int64_t i = 0; i < dy.size(); ++i) dy.data()[i] = T(weights[std::size_t(i)]);
  return dy.to(device);
}

}  // namespace

TEST_CASE("linear, with and without bias and relu") {
  for (auto activation : {Activation::none, Activation::relu})
    for (bool bias : {true, false}) {
      for (auto [rows, in, out] :
           {std::array{0, 3, 2}, {4, 0, 3}, {4, 3, 0}, {1, 1, 1}, {5, 1, 3}, {3, 7, 1}, {7, 9, 5}})
        if (in > 0 || activation == Activation::none || bias)  // relu of nothing at all sits on its kink
          expect_linear(inputs(rows, in, out, bias), activation);
      expect_linear(inputs(17, 33, 9, bias), activation, 20);
      expect_linear(inputs(130, 40, 150, bias), activation, 5);
    }
}

TEST_CASE("linear of many rows: the bias gradient is summed in parts") {
  expect_linear(inputs(300, 8, 40, true), Activation::relu, 5);
  expect_linear(inputs(700, 3, 5, true), Activation::none, 5);
}

TEST_CASE("linear of one row and of rank 3") {
  for (auto activation : {Activation::none, Activation::relu}) {
    expect_linear<false>(Inputs1<double>{drawn(Shape{5}, 1), drawn(Shape{3, 5}, 2), drawn(Shape{3}, 3)}, activation);
    expect_linear<false>(Inputs3<double>{drawn(Shape{2, 3, 5}, 1), drawn(Shape{4, 5}, 2), drawn(Shape{4}, 3)},
                         activation);
  }
}

TEST_CASE_TEMPLATE("linear of texts works row by row and keeps their offsets", T, float, double) {
  const auto in = under_test<T>(inputs(3, 4, 2, true));
  const auto offsets = beside(in.x, offsets_of({2, 1}));
  const auto y = linear(Packed{in.x, offsets}, in.weight, in.bias);
  CHECK(same_bits(y.rows, linear(in.x, in.weight, in.bias)));
  CHECK(same_bits(y.offsets, offsets));
}

TEST_CASE_TEMPLATE("linear: backward as a function gives the tape's gradients", T, float, double) {
  for (auto activation : {Activation::none, Activation::relu}) {
    const auto in = under_test<T>(inputs(5, 4, 3, true));
    const auto [y, saved] = linear_forward(in.x, in.weight, in.bias, activation);
    const auto d = linear_backward(gradient<T>({5, 3}, drawn_weights(15), in.x.device()), in.x, in.weight, saved);
    const auto tape = pass_over(in, {}, drawn_weights(15), op(activation));
    CHECK(same_bits(y, tape.y));
    CHECK(same_bits(d.x, tape.gradients.x));
    CHECK(same_bits(d.weight, tape.gradients.weight));
    CHECK(same_bits(d.bias, tape.gradients.bias));
  }
}

TEST_CASE_TEMPLATE("linear: any argument may be a constant", T, float, double) {
  const auto in = under_test<T>(inputs(5, 4, 3, true));
  const auto all = pass_over(in, {}, drawn_weights(15), op(Activation::relu));
  auto d = zeros_like(in);
  {
    Tape tape;
    tape.backward(weighted_sum(linear(tape.watch(in.x, d.x), in.weight, in.bias, Activation::relu), drawn_weights(15)));
  }
  {
    Tape tape;
    tape.backward(
        weighted_sum(linear(in.x, tape.watch(in.weight, d.weight), in.bias, Activation::relu), drawn_weights(15)));
  }
  {
    Tape tape;
    tape.backward(
        weighted_sum(linear(in.x, in.weight, tape.watch(in.bias, d.bias), Activation::relu), drawn_weights(15)));
  }
  CHECK(same_bits(d.x, all.gradients.x));
  CHECK(same_bits(d.weight, all.gradients.weight));
  CHECK(same_bits(d.bias, all.gradients.bias));
}

TEST_CASE("linear refuses shapes that do not fit") {
  Inputs<float> m{Tensor<float, 2>(2, 5), Tensor<float, 2>(3, 4), Tensor<float, 1>(2)};
  name_parameters(m);
  const Tensor<float, 2> x(2, 4);
  expect_invalid([&] { (void)linear(m.x, m.weight, Tensor<float, 1>(3)); },
                 {"linear: ", "weight (weight) is [3, 4] float", "x (x) is [2, 5] float", "must be 4"});
  expect_invalid([&] { (void)linear(x, m.weight, m.bias); },
                 {"linear: ", "bias (bias) is [2] float", "weight (weight) is [3, 4]", "3 elements or none"});
  Tape tape;
  auto grads = zeros_like(m);
  const auto r = tape.watch(m, grads);
  expect_invalid([&] { (void)linear(x, r.weight, r.bias); }, {"linear: ", "bias (bias) is [2] float"});
}
