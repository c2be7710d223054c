#include <quern/loss/kl_divergence.hpp>

#include <cmath>
#include <limits>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"
#include "support/number_of.hpp"

using namespace test;

namespace {

template <class T>
struct Inputs {
  Tensor<T, 2> x;
  static void visit(auto&& f, auto&... m) { f("x", m.x...); }
};

double naive(const Tensor<double, 2>& x, const Tensor<double, 2>& t) {
  double sum = 0;
  for (std::int64_t i = 0; i < x.size(); ++i)
    if (t.data()[i] != 0) sum += t.data()[i] * (std::log(t.data()[i]) - x.data()[i]);
  return sum / double(x.extent(0));
}

/// log softmax of x / temperature.
Tensor<double, 2> log_softmax(Tensor<double, 2> x, double temperature) {
  for (std::int64_t b = 0; b < x.extent(0); ++b) {
    double sum = 0;
    for (std::int64_t c = 0; c < x.extent(1); ++c) sum += std::exp(x(b, c) / temperature);
    for (std::int64_t c = 0; c < x.extent(1); ++c) x(b, c) = x(b, c) / temperature - std::log(sum);
  }
  return x;
}
Tensor<double, 2> exp_of(Tensor<double, 2> x) {
  for (auto& v : x.span()) v = std::exp(v);
  return x;
}

Tensor<float, 2> row(std::initializer_list<float> values) {
  return on_device(Tensor<float, 2>::of({1, std::int64_t(values.size())}, values));
}

constexpr float infinity = std::numeric_limits<float>::infinity();

}  // namespace

TEST_CASE("kl_divergence, and of logits at a temperature") {
  for (auto shape : {Shape{1, 2}, Shape{1, 17}, Shape{7, 5}, Shape{33, 8}, Shape{2, 300}, Shape{2, 1101}})
    for (double temperature : {0.0, 1.0, 2.5}) {  // 0: of log-probabilities
      const auto logits = in_every_type(Inputs<double>{drawn(shape, 2)});
      Inputs<double> targets{exp_of(log_softmax(logits.x, 1))};
      targets.x(0, 0) = 0;
      targets = in_every_type(targets);
      auto drawn_x = drawn(shape, 1);
      for (auto& x : drawn_x.span()) x -= temperature == 0 ? 1 : 0;
      expect_op(
          Inputs<double>{std::move(drawn_x)}, {.terms = 8 * shape[1], .backward_terms = 4, .most = 40, .step = 1e-4},
          [&]<class X>(const Inputs<X>& in) {
            using T = number_of<X>;
            return temperature == 0 ? kl_divergence(in.x, beside(in.x, cast<T>(targets).x))
                                    : kl_divergence_with_logits(in.x, beside(in.x, cast<T>(logits).x), temperature);
          },
          [&](const Inputs<double>& in) {
            if (temperature == 0) return std::vector<double>{naive(in.x, targets.x)};
            return std::vector<double>{
                temperature * temperature *
                naive(log_softmax(in.x, temperature), exp_of(log_softmax(logits.x, temperature)))};
          });
    }
}

TEST_CASE("kl_divergence: a target of 0 costs nothing, whatever the model says; NaN is not hidden behind it") {
  CHECK(kl_divergence(row({std::log(0.5f), -infinity}), row({1, 0})).item() == doctest::Approx(std::log(2.0)));
  CHECK(kl_divergence(row({-infinity, 0}), row({1, 0})).item() == infinity);
  CHECK(std::isnan(kl_divergence(row({std::nanf(""), 0}), row({0, 1})).item()));
}

TEST_CASE("kl_divergence on a GPU finds targets that are no probabilities itself") {
  if (!has_cuda) return;
  for (float wrong : {-0.1f, 1.5f, NAN}) {
    const auto loss = kl_divergence(on_device(Tensor<float, 2>(2, 3)),
                                    on_device<float>(Shape{2, 3}, {0, 1, 0, 0, 1.0005, double(wrong)}));
    expect_message(message_of<InvalidArgument>([&] { (void)loss.item(); }),
                   {text_of("kl_divergence: target (1, 2) is ", double(wrong)), "a probability"});
  }
}

TEST_CASE("with one class there is nothing to tell apart") {
  const auto x = on_device<float>(Shape{3, 1}, {1, 2, 3}), t = on_device<float>(Shape{3, 1}, {3, 1, 0});
  const auto f = kl_divergence_with_logits_forward(x, t);
  CHECK(f.loss.item() == 0);
  CHECK(same_bits(kl_divergence_with_logits_backward(on_device<float>(Shape<0>{}, {1}), f.saved),
                  Tensor<float, 2>(3, 1)));
}

TEST_CASE("kl_divergence_with_logits stays finite at the ends, and keeps NaN") {
  CHECK(kl_divergence_with_logits(row({1e4f, -1e4f}), row({1e4f, -1e4f})).item() == 0);
  const auto [loss, saved] = kl_divergence_with_logits_forward(row({-1e4f, 1e4f}), row({1e4f, -1e4f}), 2);
  CHECK(loss.item() == 40'000);  // τ² · 20 000 / τ
  CHECK(same_bits(kl_divergence_with_logits_backward(on_device<float>(Shape<0>{}, {1}), saved), row({-2, 2})));
  CHECK(std::isnan(kl_divergence_with_logits(row({0, std::nanf("")}), row({1, 2})).item()));
  CHECK(std::isnan(kl_divergence_with_logits(row({1, 2}), row({std::nanf(""), 0})).item()));
}

TEST_CASE("kl_divergence refuses shapes, targets and temperatures that make no sense") {
  const Tensor<float, 2> x(2, 3);
  auto with_target = [](float t) {
    Tensor<float, 2> targets(2, 3);
    targets(1, 2) = t;
    return targets;
  };
  expect_invalid([&] { (void)kl_divergence(x, Tensor<float, 2>(3, 2)); },
                 {"kl_divergence: ", "log_probabilities is [2, 3] float", "targets is [3, 2] float"});
  expect_invalid([&] { (void)kl_divergence(Tensor<float, 2>(0, 3), Tensor<float, 2>(0, 3)); },
                 {"kl_divergence: targets is [0, 3]", "at least one element"});
  for (float wrong : {-0.1f, 1.5f, std::nanf("")})
    expect_invalid([&] { (void)kl_divergence(x, with_target(wrong)); },
                   {text_of("kl_divergence: target (1, 2) is ", wrong), "a probability"});
  CHECK(kl_divergence(x, with_target(1.0005f)).item() > 0);  // rounding is let through
  expect_invalid([&] { (void)kl_divergence_with_logits(x, Tensor<float, 2>(3, 2)); },
                 {"kl_divergence_with_logits: ", "logits is [2, 3]", "target_logits is [3, 2]"});
  expect_invalid([&] { (void)kl_divergence_with_logits(Tensor<float, 2>(2, 0), Tensor<float, 2>(2, 0)); },
                 {"kl_divergence_with_logits: logits is [2, 0]"});
  for (double wrong : {0.0, -1.0, std::nan(""), double(infinity)})
    expect_invalid([&] { (void)kl_divergence_with_logits(x, x, wrong); },
                   {"kl_divergence_with_logits: expected a temperature above 0", text_of("got ", wrong)});
}
