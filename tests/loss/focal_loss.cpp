#include <quern/loss/cross_entropy.hpp>
#include <quern/loss/focal_loss.hpp>

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

/// By the definition.
double naive(const Tensor<double, 2>& logits, const Ids& labels, const Tensor<double, 1>& alpha, double gamma) {
  double loss = 0, total = 0;
  for (std::int64_t b = 0; b < logits.extent(0); ++b) {
    double sum = 0;
    for (std::int64_t c = 0; c < logits.extent(1); ++c) sum += std::exp(logits(b, c));
    const double p = std::exp(logits(b, labels(b))) / sum, weight = alpha.size() ? alpha(labels(b)) : 1;
    loss -= weight * std::pow(1 - p, gamma) * std::log(p);
    total += weight;
  }
  return loss / total;
}

}  // namespace

TEST_CASE("focal_loss, with and without class weights, for several gamma") {
  for (auto shape : {Shape{1, 2}, Shape{3, 2}, Shape{7, 5}, Shape{33, 17}, Shape{2, 300}, Shape{2, 1101}})
    for (double gamma : {0.0, 0.5, 1.0, 2.0, 5.0}) {
      const auto labels = drawn_ids(shape[0], shape[1], 1);
      auto alpha = drawn_bias(gamma == 1 ? 0 : shape[1], 2);
      for (double& a : alpha.span()) a = bf16(a);  // the same number in every type
      expect_op(
          Inputs<double>{drawn(shape, 1)}, {.terms = 8 * shape[1], .backward_terms = 4, .most = 40, .step = 1e-4},
          [&]<class X>(const Inputs<X>& in) {
            Tensor<number_of<X>, 1> weights(alpha.size());
            for (std::int64_t c = 0; c < alpha.size(); ++c) weights(c) = number_of<X>(alpha(c));
            return focal_loss(in.logits, beside(in.logits, labels), {beside(in.logits, weights), gamma});
          },
          [&](const Inputs<double>& in) { return std::vector<double>{naive(in.logits, labels, alpha, gamma)}; });
    }
}

TEST_CASE("focal_loss with gamma 0 is cross_entropy with class weights") {
  using T = std::conditional_t<has_cuda, float, double>;
  const auto logits = on_device(cast<T>(Inputs<double>{drawn(Shape{7, 3}, 1)}).logits);
  const auto labels = on_device(drawn_ids(7, 3, 1));
  const auto weights = on_device<T>(Shape{3}, {0.5, 2, 1.25});
  const auto one = on_device<T>(Shape<0>{}, {1});
  const auto focal = focal_loss_forward(logits, labels, {weights.share(), 0});
  const auto cross = cross_entropy_forward(logits, labels, {weights.share(), 0});
  CHECK(focal.loss.item() == doctest::Approx(cross.loss.item()).epsilon(has_cuda ? 1e-6 : 1e-14));
  const auto d = focal_loss_backward(one, focal.saved), expected = cross_entropy_backward(one, cross.saved);
  expect_close("gradient", numbers(d), numbers(expected), has_cuda ? 1e-7 : 1e-15);
}

TEST_CASE_TEMPLATE("focal_loss stays finite at the ends, and keeps NaN", T, float, SecondNumber) {
  const auto logits = on_device<T>(Shape{1, 2}, {8192, -8192});  // of bf16 too
  const auto one = on_device<T>(Shape<0>{}, {1});
  const auto first = on_device(Ids::of({1}, {0})), second = on_device(Ids::of({1}, {1}));
  for (double gamma : {0.0, 0.5, 2.0}) {
    const auto right = focal_loss_forward(logits, first, {{}, gamma});
    const auto wrong = focal_loss_forward(logits, second, {{}, gamma});
    CHECK(right.loss.item() == 0);
    CHECK(wrong.loss.item() == 16'384);
    const auto still = focal_loss_backward(one, right.saved);
    for (auto d : numbers(still)) CHECK(d == 0);
    CHECK(same_bits(focal_loss_backward(one, wrong.saved), on_device<T>(Shape{1, 2}, {1, -1})));
  }
  CHECK(std::isnan(double(focal_loss(on_device<T>(Shape{1, 2}, {0, NAN}), first).item())));
}

TEST_CASE_TEMPLATE("focal_loss knows how small the loss of a sure answer is", T, float, SecondNumber) {
  const auto sure = focal_loss(on_device<T>(Shape{1, 2}, {20, 0}), on_device(Ids::of({1}, {0})), {{}, 0});
  CHECK(double(sure.item()) / std::log1p(std::exp(-20.0)) == doctest::Approx(1).epsilon(0.002));
}

TEST_CASE("focal_loss on a GPU finds wrong labels and weights itself") {
  if (!has_cuda) return;
  auto message = [](std::initializer_list<std::int32_t> labels, std::initializer_list<double> alpha) {
    const auto loss = focal_loss(on_device(Tensor<float, 2>(2, 3)), on_device(Ids::of({2}, labels)),
                                 {on_device<float>(Shape{3}, alpha), 2});
    return message_of<InvalidArgument>([&] { (void)loss.item(); });
  };
  CHECK(message({0, 2}, {1, 0, 1}) == "");
  expect_message(message({0, 3}, {1, 1, 1}), {"focal_loss: label 3 of text 1", "3 classes", "0 to 2"});
  expect_message(message({0, 2}, {1, -1, 1}), {"focal_loss: the weight of class 1 is -1"});
  expect_message(message({0, 2}, {0, 1, 0}), {"focal_loss: the classes of this batch all have weight 0"});
}

TEST_CASE("focal_loss refuses labels, weights, gammas and batches that make no sense") {
  const Tensor<float, 2> x(2, 3);
  const Ids labels = Ids::of({2}, {0, 2});
  auto loss = [&](std::initializer_list<float> alpha, double gamma) {
    return focal_loss(x, labels, {Tensor<float, 1>::of({std::int64_t(alpha.size())}, alpha), gamma}).item();
  };
  CHECK(loss({1, 0, 1}, 2) > 0);
  expect_invalid(
      [&] {
        (void)focal_loss(x, Ids::of({2}, {0, 3}));
      },
      {"focal_loss: label 3 of text 1", "3 classes", "0 to 2"});
  expect_invalid([&] { (void)focal_loss(x, Ids::of({2}, {-1, 0})); }, {"focal_loss: label -1 of text 0"});
  expect_invalid([&] { (void)focal_loss(x, Ids(3)); }, {"logits is [2, 3]", "labels is [3]", "expected 2 labels"});
  expect_invalid([&] { (void)focal_loss(Tensor<float, 2>(0, 3), Ids(0)); }, {"[0, 3]", "at least one text"});
  CHECK_THROWS_AS(loss({1, 1}, 2), InvalidArgument);
  CHECK_THROWS_AS(loss({1, -1, 1}, 2), InvalidArgument);
  CHECK_THROWS_AS(loss({1, std::nanf(""), 1}, 2), InvalidArgument);
  CHECK_THROWS_AS(loss({0, 1, 0}, 2), InvalidArgument);
  CHECK_THROWS_AS(loss({}, -1), InvalidArgument);
  CHECK_THROWS_AS(loss({}, std::nan("")), InvalidArgument);
}
