#include <quern/loss/info_nce.hpp>

#include <cmath>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"

using namespace test;

namespace {

template <class T>
struct Inputs {
  Tensor<T, 2> q, k;
  static void visit(auto&& f, auto&... m) { f("q", m.q...), f("k", m.k...); }
};

double product(const Tensor<double, 2>& a, std::int64_t i, const Tensor<double, 2>& b, std::int64_t j) {
  double sum = 0;
  for (std::int64_t e = 0; e < a.extent(1); ++e) sum += a(i, e) * b(j, e);
  return sum;
}

/// By the definition.
double naive(const Inputs<double>& in, const InfoNceOptions& options) {
  double loss = 0;
  for (std::int64_t i = 0; i < in.q.extent(0); ++i) {
    auto likeness = [&](std::int64_t j) {
      const double lengths =
          options.cosine ? std::sqrt(product(in.q, i, in.q, i)) * std::sqrt(product(in.k, j, in.k, j)) : 1;
      return std::exp(product(in.q, i, in.k, j) / lengths / options.temperature);
    };
    double sum = 0;
    for (std::int64_t j = 0; j < in.k.extent(0); ++j) sum += likeness(j);
    loss -= std::log(likeness(i) / sum);
  }
  return loss / double(in.q.extent(0));
}

template <class T>
Tensor<T, 0> info_nce_one(const Tensor<T, 2>&) {
  return on_device<T>(Shape<0>{}, {1});
}

}  // namespace

TEST_CASE("info_nce, of products and of cosines") {
  for (auto shape : {Shape{2, 1}, Shape{3, 2}, Shape{7, 5}, Shape{17, 33}})
    for (auto options : {InfoNceOptions{}, InfoNceOptions{2.5, false}, InfoNceOptions{0.5, true}})
      if (!(options.cosine && shape[1] == 1))  // on a line all directions are ±1, and no gradient is left
        expect_op(
            Inputs<double>{drawn_off_zero(shape, 1), drawn_off_zero(shape, 2)},
            {.terms = 8 * shape[1], .backward_terms = 8 * (shape[0] + shape[1]), .most = 30, .step = 1e-5},
            [&](const auto& in) { return info_nce(in.q, in.k, options); },
            [&](const Inputs<double>& in) { return std::vector<double>{naive(in, options)}; });
}

TEST_CASE("info_nce: a pair alone has no negatives, and nothing to learn") {
  const auto [loss, saved] =
      info_nce_forward(on_device<float>(Shape{1, 2}, {1, 2}), on_device<float>(Shape{1, 2}, {3, 4}));
  CHECK(loss.item() == 0);
  const auto d = info_nce_backward(on_device<float>(Shape<0>{}, {1}), saved);
  for (const auto* x : {&d.queries, &d.keys})
    for (auto v : numbers(*x)) CHECK(v == 0);
}

TEST_CASE(
    "info_nce of cosines: a row of zeros is like nothing and gets no gradient; lengths do not matter; NaN stays") {
  const InfoNceOptions options{0.1, true};
  const auto q = on_device<float>(Shape{2, 2}, {0, 0, 0, 4}), k = on_device<float>(Shape{2, 2}, {1, 0, 0, 1});
  const auto [loss, saved] = info_nce_forward(q, k, options);
  CHECK(loss.item() == doctest::Approx((std::log(2.0) + std::log1p(std::exp(-10.0))) / 2));
  const auto d = numbers(info_nce_backward(on_device<float>(Shape<0>{}, {1}), saved).queries);
  CHECK(d[0] == 0);
  CHECK(d[1] == 0);
  CHECK(d[2] != 0);
  const auto longer = on_device<float>(Shape{2, 2}, {0, 0, 0, 4096});
  const auto nan = on_device<float>(Shape{2, 2}, {0, 0, 0, NAN});
  CHECK(info_nce(longer, k, options).item() == loss.item());
  CHECK(std::isnan(info_nce(nan, k, options).item()));
}

TEST_CASE("info_nce: a side that is not recorded is a constant") {
  const Inputs<double> exact{drawn(Shape{3, 2}, 1), drawn(Shape{3, 2}, 2)};
  const auto [q, k] = to(cast<std::conditional_t<has_cuda, float, double>>(exact), test_device());
  auto dk = empty_like(k);
  zero(dk);
  Tape tape;
  tape.backward(info_nce(q, tape.watch(k, dk)));
  const auto expected = info_nce_backward(info_nce_one(q), info_nce_forward(q, k).saved);
  CHECK(same_bits(dk, expected.keys));
}

TEST_CASE("info_nce refuses shapes and temperatures that make no sense") {
  const Tensor<float, 2> x(2, 3);
  expect_invalid([&] { (void)info_nce(x, Tensor<float, 2>(3, 3)); },
                 {"info_nce: ", "queries is [2, 3] float", "keys is [3, 3] float"});
  expect_invalid([&] { (void)info_nce(Tensor<float, 2>(0, 3), Tensor<float, 2>(0, 3)); },
                 {"info_nce: queries is [0, 3]", "at least one pair"});
  for (double wrong : {0.0, -1.0, std::nan("")})
    expect_invalid([&] { (void)info_nce(x, x, {.temperature = wrong}); },
                   {"info_nce: expected a temperature above 0", text_of("got ", wrong)});
}
