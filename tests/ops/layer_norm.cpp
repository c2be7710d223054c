#include <quern/ops/layer_norm.hpp>

#include <cmath>
#include <limits>

#include <quern/nn/layer_norm.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"

using namespace test;

namespace {

template <class T>
struct Inputs {
  Tensor<T, 2> x;
  Tensor<T, 1> weight, bias;
  static void visit(auto&& f, auto&... m) { f("x", m.x...), f("weight", m.weight...), f("bias", m.bias...); }
};

constexpr double eps = 0.01;

Inputs<double> inputs(Shape<2> shape) {
  return {drawn(shape, 1), drawn_off_zero(Shape{shape[1]}, 2), drawn(Shape{shape[1]}, 3)};
}

const auto op = [](const auto& in) { return layer_norm(in.x, in.weight, in.bias, eps); };
const auto naive = [](const auto& in) {
  std::vector<double> y;
  const std::int64_t n = in.x.extent(1);
  for (std::int64_t r = 0; r < in.x.extent(0); ++r) {
    double mean = 0, variance = 0;
    for (std::int64_t c = 0; c < n; ++c) mean += in.x(r, c) / double(n);
    for (std::int64_t c = 0; c < n; ++c) variance += (in.x(r, c) - mean) * (in.x(r, c) - mean) / double(n);
    for (std::int64_t c = 0; c < n; ++c)
      y.push_back((in.x(r, c) - mean) / std::sqrt(variance + eps) * in.weight(c) + in.bias(c));
  }
  return y;
};

/// Rows come out with variance 1: a few roundings of numbers up to 2. The weights' gradients add up all rows.
OpCase layer_norm_case(std::int64_t rows, std::int64_t most = 0) {
  return {.terms = 16, .backward_terms = 32 + rows, .most = most};
}

}  // namespace

TEST_CASE("layer_norm") {
  for (auto shape : {Shape{0, 5}, Shape{5, 0}, Shape{1, 3}, Shape{1, 17}, Shape{7, 13}, Shape{3, 131}})
    expect_op(inputs(shape), layer_norm_case(shape[0]), op, naive);
  for (std::int64_t n : {8, 264, 520, 776, 1000, 1024, 1032})  // a warp's rows, in packs and not, and a block's
    expect_op(inputs({5, n}), layer_norm_case(5, 12), op, naive);
  expect_op(inputs({700, 67}), layer_norm_case(700, 12), op, naive);
  expect_op(inputs({2, 17001}), layer_norm_case(2, 12), op, naive);
}

TEST_CASE("layer_norm collapses leading axes") {
  const auto in = to(cast<float>(inputs({6, 5})), test_device());
  const auto y = layer_norm(in.x.share(Shape{2, 3, 5}), in.weight, in.bias);
  CHECK(y.shape() == Shape{2, 3, 5});
  CHECK(same_bits(y.share(Shape{6, 5}), layer_norm(in.x, in.weight, in.bias)));
}

TEST_CASE_TEMPLATE("layer_norm of rows without spread is the bias; far from 0 and far apart it stays exact", T, float,
                   SecondNumber, bf16) {
  Tensor<T, 2> x(3, 4), dy(3, 4);
  Tensor<T, 1> weight(4), bias(4);
  weight.fill(T(2)), bias.fill(T(3)), dy.fill(T(1));
  for (int c = 0; c < 4; ++c) x(0, c) = T(5), x(1, c) = T(c % 2 ? 258 : 256), x(2, c) = T(c % 2 ? 1e8f : -1e8f);
  const auto f = layer_norm_forward(on_device(x), on_device(weight), on_device(bias), 1e-5);
  const auto gradients = layer_norm_backward(on_device(dy), on_device(x), on_device(weight), f.saved);
  const auto y = on_host(f.y);
  const LayerNormGradients<T, 2> d{on_host(gradients.x), on_host(gradients.weight), on_host(gradients.bias)};
  for (int c = 0; c < 4; ++c) {
    CHECK(y(0, c) == T(3));
    for (int r : {1, 2}) CHECK(double(y(r, c)) == doctest::Approx(c % 2 ? 5 : 1).epsilon(1e-4));
    for (int r : {0, 1, 2}) CHECK(std::abs(double(d.x(r, c))) < 1e-3);  // every element alike: nothing changes
    CHECK(d.bias(c) == T(3));
    CHECK(double(d.weight(c)) == doctest::Approx(c % 2 ? 2 : -2).epsilon(1e-4));
  }
}

TEST_CASE("layer_norm: NaN and infinity make their row NaN, and no other") {
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    auto in = cast<float>(inputs({3, 21}));
    in.x(1, 20) = bad;
    const auto y = on_host(op(to(in, test_device())));
    for (int c = 0; c < 21; ++c) {
      CHECK(std::isfinite(y(0, c)));
      CHECK(std::isnan(y(1, c)));
      CHECK(std::isfinite(y(2, c)));
    }
  }
}

TEST_CASE("layer_norm: constants get no gradient, and do not stop the others'") {
  const auto in = inputs({4, 6});
  Tensor<double, 1> dweight(6), alone(6);
  auto grads = zeros_like(in);
  {
    Tape tape;
    tape.backward(weighted_sum(op(tape.watch(in, grads)), drawn_weights(24)));
  }
  Tape tape;
  const auto weight = tape.watch(in.weight, alone);
  tape.backward(weighted_sum(layer_norm(in.x, weight, in.bias, eps), drawn_weights(24)));
  CHECK(same_bits(alone, grads.weight));
}

TEST_CASE("layer_norm refuses what does not fit") {
  auto m = cast<float>(inputs({3, 5}));
  m.weight = Tensor<float, 1>(4);
  name_parameters(m);
  expect_invalid([&] { (void)layer_norm(m.x, m.weight, m.bias); },
                 {"layer_norm: ", "weight (weight) is [4] float cpu", "x (x) is [3, 5] float cpu",
                  "weight must have 5 elements", "the last axis of x"});
  m.weight = Tensor<float, 1>(5), m.bias = Tensor<float, 1>(6);
  expect_message(message_of<InvalidArgument>([&] { (void)op(m); }),
                 {"layer_norm: bias is [6] float cpu", "bias must have 5"});
  m.bias = Tensor<float, 1>(5);
  expect_invalid([&] { (void)layer_norm(m.x, m.weight, m.bias, -1); }, {"layer_norm: ", "eps", "got -1"});
  const auto [y, saved] = layer_norm_forward(m.x, m.weight, m.bias);
  expect_message(message_of<InvalidArgument>(
                     [&, s = &saved] { (void)layer_norm_backward(Tensor<float, 2>(2, 5), m.x, m.weight, *s); }),
                 {"layer_norm_backward: ", "dy is [2, 5] float", "x (x) is [3, 5] float"});
}

TEST_CASE("nn::LayerNorm: weight 1, bias 0, and its settings go with it") {
  nn::LayerNorm<double> norm(5, eps);
  norm.weight.fill(7);
  initialise(norm, 3);
  const auto x = drawn(Shape{3, 5}, 1);
  Tensor<double, 1> one(5), zero(5);
  one.fill(1);
  CHECK(same_bits(norm.weight, one));
  CHECK(same_bits(norm.bias, zero));
  CHECK(same_bits(norm(x), layer_norm(x, one, zero, eps)));
  CHECK(cast<float>(norm).eps == eps);
  const Packed<double> texts{x, offsets_of({2, 1})};
  CHECK(same_bits(norm(texts).rows, norm(x)));
  CHECK(same_bits(norm(texts).offsets, texts.offsets));
  const auto report = gradcheck(norm, [&](const auto& m) { return weighted_sum(m(texts).rows, drawn_weights(15)); });
  CHECK_MESSAGE(report.ok(), report.text());
  CHECK(report.parameters.size() == 2);
}
