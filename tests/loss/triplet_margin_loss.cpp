#include <quern/loss/triplet_margin_loss.hpp>

#include <cmath>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"

using namespace test;

namespace {

template <class T>
struct Inputs {
  Tensor<T, 2> a, p, n;
  static void visit(auto&& f, auto&... m) { f("a", m.a...), f("p", m.p...), f("n", m.n...); }
};

double naive(const Inputs<double>& in, double margin) {
  double loss = 0;
  for (std::int64_t b = 0; b < in.a.extent(0); ++b) {
    double near = 0, far = 0;
    for (std::int64_t e = 0; e < in.a.extent(1); ++e) {
      near += std::pow(in.a(b, e) - in.p(b, e), 2);
      far += std::pow(in.a(b, e) - in.n(b, e), 2);
    }
    loss += std::max(0.0, std::sqrt(near) - std::sqrt(far) + margin);
  }
  return loss / double(in.a.extent(0));
}

using T = std::conditional_t<has_cuda, float, double>;
Tensor<T, 0> one() { return on_device<T>(Shape<0>{}, {1}); }
Tensor<T, 2> point(double x, double y) { return on_device<T>(Shape{1, 2}, {x, y}); }

}  // namespace

TEST_CASE("triplet_margin_loss, some triplets beyond the margin and some within") {
  for (auto shape : {Shape{5, 1}, Shape{3, 2}, Shape{7, 5}, Shape{33, 16}, Shape{2, 1032}})
    for (double margin : {0.25, 1.0})
      expect_op(
          Inputs<double>{drawn(shape, 1), drawn(shape, 2), drawn(shape, 3)},
          {.terms = 4 * shape[1], .backward_terms = 4 * shape[1], .most = 30, .step = 1e-6},
          [&](const auto& in) { return triplet_margin_loss(in.a, in.p, in.n, margin); },
          [&](const Inputs<double>& in) { return std::vector<double>{naive(in, margin)}; });
}

TEST_CASE("triplet_margin_loss by hand: distances 4 and 1, margin 2") {
  const auto a = point(0, 0), p = point(4, 0), n = point(0, 1);
  const auto [loss, saved] = triplet_margin_loss_forward(a, p, n, 2);
  CHECK(loss.item() == 5);
  const auto d = triplet_margin_loss_backward(one(), saved);
  expect_close("positives", numbers(d.positives), std::vector{1, 0}, 0);
  expect_close("negatives", numbers(d.negatives), std::vector{0, -1}, 0);
  expect_close("anchors", numbers(d.anchors), std::vector{-1, 1}, 0);
}

TEST_CASE("triplet_margin_loss: nothing moves beyond the margin; equal vectors do not push; NaN stays") {
  const auto far = triplet_margin_loss_forward(point(0, 0), point(0, 1), point(3, 4), 4);  // exactly the margin
  CHECK(far.loss.item() == 0);
  const auto still = triplet_margin_loss_backward(one(), far.saved);
  const auto equal = triplet_margin_loss_forward(point(1, 1), point(1, 1), point(1, 1), 0.5);
  CHECK(equal.loss.item() == 0.5);
  const auto stuck = triplet_margin_loss_backward(one(), equal.saved);
  for (const auto* d : {&still, &stuck})
    for (const auto* x : {&d->anchors, &d->positives, &d->negatives})
      for (auto v : numbers(*x)) CHECK(v == 0);
  CHECK(std::isnan(triplet_margin_loss(point(0, std::nan("")), point(0, 0), point(1, 1)).item()));
}

TEST_CASE("triplet_margin_loss: a side that is not recorded is a constant") {
  const auto a = point(0, 0), p = point(4, 0), n = point(0, 1);
  Tensor<T, 2> dp(Shape<2>{1, 2}, test_device());
  Tape tape;
  tape.backward(triplet_margin_loss(a, tape.watch(p, dp), n, 2));
  expect_close("positives", numbers(dp), std::vector{1, 0}, 0);
}

TEST_CASE("triplet_margin_loss refuses shapes and margins that make no sense") {
  const Tensor<float, 2> x(2, 3), y(3, 3), none(0, 3);
  expect_invalid([&] { (void)triplet_margin_loss(x, y, x); },
                 {"triplet_margin_loss: ", "anchors is [2, 3] float", "positives is [3, 3] float"});
  expect_invalid([&] { (void)triplet_margin_loss(x, x, y); }, {"anchors is [2, 3]", "negatives is [3, 3]"});
  expect_invalid([&] { (void)triplet_margin_loss(none, none, none); }, {"anchors is [0, 3]", "at least one triplet"});
  for (double wrong : {-0.5, std::nan("")})
    expect_invalid([&] { (void)triplet_margin_loss(x, x, x, wrong); },
                   {"triplet_margin_loss: expected a margin of at least 0", text_of("got ", wrong)});
}
