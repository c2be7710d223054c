#include <quern/loss/binary_cross_entropy_with_logits.hpp>

#include <cmath>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"
#include "support/number_of.hpp"

using namespace test;

namespace {

template <class T>
struct Inputs {
  Tensor<T, 2> logits;
  static void visit(auto&& f, auto&... m) { f("logits", m.logits...); }
};

/// What the loss is of: targets and weights.
template <class T>
struct Task {
  Tensor<T, 2> targets;
  Tensor<T, 1> pos_weight;
  static void visit(auto&& f, auto&... m) { f("targets", m.targets...), f("pos_weight", m.pos_weight...); }
};

/// By the definition.
double naive(const Tensor<double, 2>& logits, const Task<double>& task) {
  double sum = 0;
  for (std::int64_t b = 0; b < logits.extent(0); ++b)
    for (std::int64_t c = 0; c < logits.extent(1); ++c) {
      const double y = task.targets(b, c), p = task.pos_weight.size() ? task.pos_weight(c) : 1;
      const double yes = 1 / (1 + std::exp(-logits(b, c)));
      sum -= p * y * std::log(yes) + (1 - y) * std::log(1 - yes);
    }
  return sum / double(logits.size());
}

}  // namespace

TEST_CASE("binary_cross_entropy_with_logits, with and without weights, hard and soft targets") {
  for (auto shape : {Shape{1, 1}, Shape{3, 1}, Shape{1, 17}, Shape{7, 5}, Shape{33, 64}})
    for (bool weighted : {false, true}) {
      Task<double> task{drawn(shape, 2), drawn_bias(weighted ? shape[1] : 0, 3)};
      for (auto& y : task.targets.span()) y = y < -0.3 ? 0 : y > 0.3 ? 1 : y + 0.5;
      task = in_every_type(task);
      expect_op(
          Inputs<double>{drawn(shape, 1)}, {.terms = shape.size(), .backward_terms = 4, .most = 40, .step = 1e-4},
          [&]<class X>(const Inputs<X>& in) {
            const auto t = to(cast<number_of<X>>(task), in.logits.device());
            return binary_cross_entropy_with_logits(in.logits, t.targets, t.pos_weight);
          },
          [&](const Inputs<double>& in) { return std::vector<double>{naive(in.logits, task)}; });
    }
}

TEST_CASE("binary_cross_entropy_with_logits of one question a text, [B], with one weight for all") {
  using T = std::conditional_t<has_cuda, float, double>;
  const double tolerance = has_cuda ? 1e-6 : 1e-14;
  const auto x = on_device<T>(Shape{3}, {0.5, -1.25, 2}), y = on_device<T>(Shape{3}, {1, 0, 1});
  const auto p = on_device<T>(Shape{1}, {3});
  const auto f = binary_cross_entropy_with_logits_forward(x, y, p);
  const double expected =
      (3 * std::log(1 + std::exp(-0.5)) + std::log(1 + std::exp(-1.25)) + 3 * std::log(1 + std::exp(-2.0))) / 3;
  CHECK(f.loss.item() == doctest::Approx(expected).epsilon(tolerance));
  const auto d = numbers(binary_cross_entropy_with_logits_backward(on_device<T>(Shape<0>{}, {1}), f.saved));
  CHECK(d[0] == doctest::Approx(-1 / (1 + std::exp(0.5))).epsilon(tolerance));
  CHECK(d[1] == doctest::Approx(1 / (1 + std::exp(1.25)) / 3).epsilon(tolerance));
}

TEST_CASE_TEMPLATE("binary_cross_entropy_with_logits stays finite at the ends, and keeps NaN", T, float, SecondNumber) {
  const auto x = on_device<T>(Shape{4}, {8192, -8192, 8192, -8192});  // of bf16 too
  const auto y = on_device<T>(Shape{4}, {1, 0, 0, 1});                // two sure and right, two sure and wrong
  const auto f = binary_cross_entropy_with_logits_forward(x, y);
  CHECK(f.loss.item() == 4'096);
  CHECK(same_bits(binary_cross_entropy_with_logits_backward(on_device<T>(Shape<0>{}, {4}), f.saved),
                  on_device<T>(Shape{4}, {0, 0, 1, -1})));
  const auto nan = on_device<T>(Shape{1}, {NAN}), zero = on_device<T>(Shape{1}, {0});
  CHECK(std::isnan(double(binary_cross_entropy_with_logits(nan, zero).item())));
}

TEST_CASE("binary_cross_entropy_with_logits on a GPU finds wrong targets and weights itself") {
  if (!has_cuda) return;
  auto message = [](double target, double weight) {
    const auto x = on_device(Tensor<float, 2>(2, 3)), y = on_device<float>(Shape{2, 3}, {0, 0, 0, 0, target, 0});
    const auto p = on_device<float>(Shape{3}, {1, weight, 1});
    const auto loss = binary_cross_entropy_with_logits(x, y, p);
    return message_of<InvalidArgument>([&] { (void)loss.item(); });
  };
  CHECK(message(1, 1) == "");
  for (double wrong : {-0.5, 1.5, double(NAN)})
    expect_message(message(wrong, 1), {text_of("target 4 of 6 is ", wrong), "expected 0 to 1"});
  for (double wrong : {-1.0, double(INFINITY), double(NAN)})
    expect_message(message(0, wrong), {text_of("the pos_weight of class 1 is ", wrong)});
}

TEST_CASE("binary_cross_entropy_with_logits refuses shapes, targets and weights that make no sense") {
  const Tensor<float, 2> x(2, 3);
  auto with_target = [](float t) {
    Tensor<float, 2> y(2, 3);
    y(1, 1) = t;
    return y;
  };
  expect_invalid([&] { (void)binary_cross_entropy_with_logits(x, Tensor<float, 2>(3, 2)); },
                 {"binary_cross_entropy_with_logits: ", "logits is [2, 3] float", "targets is [3, 2] float"});
  expect_invalid([&] { (void)binary_cross_entropy_with_logits(Tensor<float, 2>(0, 3), Tensor<float, 2>(0, 3)); },
                 {"logits is [0, 3]", "at least one element"});
  for (float wrong : {-0.5f, 1.5f, 2.0f, std::nanf("")})
    expect_invalid([&] { (void)binary_cross_entropy_with_logits(x, with_target(wrong)); },
                   {text_of("target 4 of 6 is ", wrong), "expected 0 to 1"});
  expect_invalid([&] { (void)binary_cross_entropy_with_logits(x, with_target(0), Tensor<float, 1>(2)); },
                 {"pos_weight is [2] float", "expected 3 weights"});
  for (float wrong : {-1.0f, INFINITY, std::nanf("")}) {
    const auto weights = Tensor<float, 1>::of({3}, {1, wrong, 1});
    expect_invalid([&] { (void)binary_cross_entropy_with_logits(x, with_target(0), weights); },
                   {text_of("the pos_weight of class 1 is ", wrong)});
  }
}
