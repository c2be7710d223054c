/// gelu backward with the gradient of the bias: the fast kernels against the slow ones, and both against sums in
/// double.
#include <cmath>

#include <quern/ops/gelu.hpp>

#include "support/draw.hpp"
#include "support/unaligned.hpp"

#include <doctest/doctest.h>

using namespace test;

namespace {

template <class T>
struct Result {
  Tensor<T, 2> dx;
  Tensor<T, 1> dbias;
};

template <class T>
Tensor<double, 2> in_double(const Tensor<T, 2>& x) {
  Tensor<double, 2> y(x.shape());
  for (std::int64_t i = 0; i < x.size(); ++i) y.data()[i] = double(x.data()[i]);
  return y;
}

/// Runs one of the launchers; outputs hold NaN before, so that what is not written shows up.
template <class T>
Result<T> run(auto launcher, const Tensor<T, 2>& dy, const Tensor<T, 2>& x) {
  Result<T> r{empty_like(x), Tensor<T, 1>::empty(Shape<1>{x.extent(1)}, x.device())};
  set_bytes(r.dx.data(), r.dx.device(), 0xff, r.dx.bytes());
  set_bytes(r.dbias.data(), r.dbias.device(), 0xff, r.dbias.bytes());
  launcher(dy.view(), x.view(), r.dx.view(), r.dbias.view());
  return {on_host(r.dx), on_host(r.dbias)};
}

template <class T>
void expect_near(const Tensor<T, 2>& a, const Tensor<T, 2>& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(double(a.data()[i]) - double(b.data()[i])) / (1e-3 + std::abs(double(b.data()[i])));
    if (!(d <= worst)) worst = d;
  }
  CHECK(worst <= 2 * double(std::numeric_limits<T>::epsilon()));
}

/// dbias against the sums of the exact dx; each column's bound grows with the rows that were added.
template <class T>
void expect_sums(const Result<T>& r, const Tensor<T, 2>& dy, const Tensor<T, 2>& x, Approximate approximate) {
  const GeluSaved<double, 2> saved{approximate, in_double(x)};
  const auto dx = gelu_backward(in_double(dy), saved);
  for (std::int64_t c = 0; c < x.extent(1); ++c) {
    double sum = 0;
    for (std::int64_t i = 0; i < x.extent(0); ++i) sum += dx(i, c);
    const double bound = 1e-6 * double(x.extent(0) + 4) + double(std::numeric_limits<T>::epsilon()) * std::abs(sum);
    CHECK_MESSAGE(std::abs(double(r.dbias(c)) - sum) <= bound, "column ", c, ": ", double(r.dbias(c)), ", exactly ",
                  sum);
  }
}

template <class T>
void expect_backward_bias(Shape<2> shape) {
  INFO(text_of(shape, " ", dtype_name<T>));
  const auto make = [&](std::uint32_t stream, double size) {
    Tensor<T, 2> x(shape);
    const auto d = drawn(shape, stream);
    for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = T(size * d.data()[i]);
    return x;
  };
  const auto dy = make(1, 1), x = make(2, 4);
  const auto at_dy = on_device(dy), at_x = on_device(x);
  const Unaligned<T, 2> odd_dy(dy);
  const auto expect = [&](auto fast, auto slow, Approximate approximate) {
    const auto r = run<T>(fast, at_dy, at_x), again = run<T>(fast, at_dy, at_x), s = run<T>(slow, at_dy, at_x);
    CHECK(same_bits(r.dx, again.dx));
    CHECK(same_bits(r.dbias, again.dbias));
    expect_near(r.dx, s.dx);
    expect_sums(r, dy, x, approximate);
    expect_sums(s, dy, x, approximate);
    expect_near(r.dx, on_host(gelu_backward(at_dy, GeluSaved<T, 2>{approximate, at_x.share()})));
    const auto odd = run<T>(fast, odd_dy.tensor, at_x);
    expect_near(odd.dx, r.dx);
    expect_sums(odd, dy, x, approximate);
  };
  expect([](auto... v) { cuda::gelu_erf_backward_bias<T>(v...); },
         [](auto... v) { cuda::gelu_erf_backward_bias_slow<T>(v...); }, Approximate::none);
  expect([](auto... v) { cuda::gelu_tanh_backward_bias<T>(v...); },
         [](auto... v) { cuda::gelu_tanh_backward_bias_slow<T>(v...); }, Approximate::tanh);
}

}  // namespace

TEST_CASE_TEMPLATE("gelu backward with the sums of its columns", T, float, bf16) {
  for (auto shape : {Shape{0, 5}, Shape{5, 0}, Shape{1, 1}, Shape{9, 1}, Shape{1, 8}, Shape{7, 13}, Shape{33, 24},
                     Shape{2049, 8}, Shape{130, 272}, Shape{300, 1}, Shape{65, 520}})
    expect_backward_bias<T>(shape);
}
