/// The fused kernels of conv1d_relu_max_over_time against the obvious ones: one thread a result.
#include <quern/ops/conv1d_relu_max_over_time.hpp>

#include <cmath>
#include <limits>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/on_device.hpp"

using namespace test;
using cuda::ConvMaxKernels;

namespace {

template <class T, int Rank>
Tensor<T, Rank> rounded_to(const Tensor<double, Rank>& x) {
  auto y = Tensor<T, Rank>::empty(x.shape());
  for (std::int64_t i = 0; i < x.size(); ++i) y.data()[i] = T(x.data()[i]);
  return y;
}

struct Case {
  std::vector<std::int64_t> lengths;
  std::int64_t columns, filters, width;
};
/// One text over many tiles, many texts in one tile, and both; rows of 16, of 8 and of single bytes' multiples.
const Case cases[] = {{{1}, 1, 1, 1},
                      {{300}, 8, 70, 3},
                      {std::vector<std::int64_t>(150, 1), 4, 5, 1},
                      {{1, 200, 1, 1, 64, 65, 127}, 12, 130, 4},
                      {drawn_lengths(60, 40, 7), 9, 33, 5},
                      {drawn_lengths(20, 30, 8), 20, 100, 2}};

/// A case's tensors on the device, and what each way of computing gives.
template <class T>
struct Run {
  Tensor<T, 2> x, taps;
  Tensor<T, 1> bias;
  PaddedTexts<T> texts;
  std::int64_t filters;

  Run(const Case& c, Tensor<T, 2> rows)
      : x(on_device(rows)),
        taps(on_device(rounded_to<T>(drawn(Shape{c.filters, c.width * c.columns}, 2)))),
        bias(on_device(rounded_to<T>(drawn(Shape{c.filters}, 3)))),
        texts(detail::padded_texts(Packed{x.share(), on_device(offsets_of(c.lengths))}, c.width, true)),
        filters(c.filters) {}
  explicit Run(const Case& c) : Run(c, rounded_to<T>(drawn(Shape{sum_of(c.lengths), c.columns}, 1))) {}

  struct Forward {
    Tensor<T, 2> y;
    Tensor<std::int32_t, 2> where;
  };
  Forward forward(ConvMaxKernels kernels) const {
    const Shape<2> shape{texts.texts(), filters};
    Forward f{Tensor<T, 2>::empty(shape, test_device()), Tensor<std::int32_t, 2>::empty(shape, test_device())};
    cuda::conv1d_relu_max_over_time<T>(detail::windowed(texts), taps.view(), bias.data(), f.y.view(), f.where.view(),
                                       kernels);
    return f;
  }
  Tensor<T, 2> backward_x(const Tensor<T, 2>& dz, const Tensor<std::int32_t, 2>& where, ConvMaxKernels kernels) const {
    auto dx = Tensor<T, 2>::empty(x.shape(), test_device());
    cuda::conv_max_backward_x<T>(dz.view(), detail::windowed(texts), taps.view(), where.view(), dx.view(), kernels);
    return on_host(dx);
  }
  Tensor<T, 3> backward_weight(const Tensor<T, 2>& dz, const Tensor<std::int32_t, 2>& where,
                               ConvMaxKernels kernels) const {
    auto dweight = Tensor<T, 3>::empty({filters, x.extent(1), texts.width}, test_device());
    cuda::conv_max_backward_weight<T>(dz.view(), detail::windowed(texts), where.view(), dweight.view(), kernels);
    return on_host(dweight);
  }
};

template <class A>
double distance(const A& a, const A& b) {
  double difference = 0, norm = 1e-30;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    const double x = double(a.data()[i]), y = double(b.data()[i]);
    difference += (x - y) * (x - y), norm += y * y;
  }
  return std::sqrt(difference / norm);
}

}  // namespace

TEST_CASE("float: the fused kernel has the obvious one's bits, and so has dx") {
  for (const auto& c : cases) {
    INFO(c.lengths.size(), " texts, ", c.columns, " columns, ", c.filters, " filters, width ", c.width);
    const Run<float> run(c);
    const auto fused = run.forward(ConvMaxKernels::fused), simple = run.forward(ConvMaxKernels::simple);
    CHECK(same_bits(fused.y, simple.y));
    CHECK(same_bits(fused.where, simple.where));
    const auto dz = on_device(rounded_to<float>(drawn(Shape{run.texts.texts(), c.filters}, 5)));
    CHECK(same_bits(run.backward_x(dz, fused.where, ConvMaxKernels::fused),
                    run.backward_x(dz, fused.where, ConvMaxKernels::simple)));
    CHECK(distance(run.backward_weight(dz, fused.where, ConvMaxKernels::fused),
                   run.backward_weight(dz, fused.where, ConvMaxKernels::simple)) < 1e-6);
  }
}

TEST_CASE("bf16: the fused kernel adds in another order, no more") {
  for (const auto& c : cases) {
    INFO(c.lengths.size(), " texts, ", c.columns, " columns, ", c.filters, " filters, width ", c.width);
    const Run<bf16> run(c);
    const auto fused = run.forward(ConvMaxKernels::fused), simple = run.forward(ConvMaxKernels::simple);
    CHECK(distance(on_host(fused.y), on_host(simple.y)) < 4e-3);
    const auto where = on_host(fused.where), other = on_host(simple.where);
    std::int64_t elsewhere = 0;  // where two windows are equal but for the last bits of their sums
    for (std::int64_t i = 0; i < where.size(); ++i) elsewhere += where.data()[i] != other.data()[i];
    CHECK(elsewhere <= where.size() / 50);
    const auto dz = on_device(rounded_to<bf16>(drawn(Shape{run.texts.texts(), c.filters}, 5)));
    CHECK(distance(run.backward_x(dz, fused.where, ConvMaxKernels::fused),
                   run.backward_x(dz, fused.where, ConvMaxKernels::simple)) < 1e-6);
    CHECK(distance(run.backward_weight(dz, fused.where, ConvMaxKernels::fused),
                   run.backward_weight(dz, fused.where, ConvMaxKernels::simple)) < 4e-3);
  }
}

TEST_CASE_TEMPLATE("of equal windows the first wins, also where they lie in different tiles", T, float, bf16) {
  const Case c{{200, 1, 150}, 4, 9, 3};
  auto x = Tensor<T, 2>::empty({351, 4});
  for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = T(1);  // inside a text all windows are equal
  const Run<T> run(c, x);
  const auto fused = run.forward(ConvMaxKernels::fused), simple = run.forward(ConvMaxKernels::simple);
  const auto where = on_host(fused.where), other = on_host(simple.where);
  for (std::int64_t f = 0; f < 9; ++f)
    for (std::int64_t b : {0, 2}) {
      // Windows 0 and 1 hang over the beginning of the text, 2 is the first of the equal ones, the last two over the
      // end.
      const std::int64_t windows = c.lengths[std::size_t(b)] + 2;
      CHECK((where(b, f) <= 2 || where(b, f) >= windows - 2));
    }
  CHECK(same_bits(where, other));
  const auto y = on_host(fused.y);
  std::int64_t inner = 0, cut_off = 0;
  for (std::int64_t f = 0; f < 9; ++f) {
    inner += where(0, f) == 2;
    if (y(0, f) != T(0)) continue;
    ++cut_off;  // relu makes all of them 0: the very first
    CHECK(where(0, f) == 0);
  }
  CHECK(inner > 0);
  CHECK(cut_off < 9);
}

TEST_CASE_TEMPLATE("a NaN is the largest, and the first one is where", T, float, bf16) {
  const Case c{{200, 3, 150}, 4, 9, 3};
  auto x = rounded_to<T>(drawn(Shape{std::int64_t{353}, std::int64_t{4}}, 1));
  const auto nan = T(std::numeric_limits<float>::quiet_NaN());
  x(120, 1) = nan, x(190, 0) = nan, x(352, 2) = nan;
  const Run<T> run(c, x);
  const auto f = run.forward(ConvMaxKernels::fused);
  const auto y = on_host(f.y);
  const auto where = on_host(f.where);
  for (std::int64_t k = 0; k < 9; ++k) {
    CHECK(std::isnan(float(y(0, k))));
    CHECK(where(0, k) == 120);
    CHECK(!std::isnan(float(y(1, k))));
    CHECK(std::isnan(float(y(2, k))));
    CHECK(where(2, k) == 149);
  }
}

TEST_CASE("a text without rows is found by the kernel, and thrown by the next copy to the host") {
  const Packed<float> x{on_device(Tensor<float, 2>(5, 3)), on_device(offsets_of({2, 0, 3}))};
  const auto weight = on_device(Tensor<float, 3>(2, 3, 4));
  const auto bias = on_device(Tensor<float, 1>(2));
  for (int again = 0; again < 2; ++again) {
    const auto y = conv1d_relu_max_over_time(x, weight, bias);
    expect_message(message_of<InvalidArgument>([&] { (void)on_host(y); }), {"text 1 has no rows"});
    CHECK(on_host(y).size() == 6);  // it is thrown once
  }
  CHECK_NOTHROW((void)on_host(conv1d(x, weight, bias).rows));  // which has windows of padding there
}

TEST_CASE("the window places of a batch") {
  const auto texts =
      detail::padded_texts(Packed{on_device(Tensor<float, 2>(4, 2)), on_device(offsets_of({2, 0, 1, 1}))}, 3, false);
  const auto list = [](const Tensor<std::int32_t, 1>& x) {
    const auto y = on_host(x);
    return std::vector<int>(y.data(), y.data() + y.size());
  };
  CHECK(list(texts.source) == std::vector{-1, -1, 0, 1, -1, -1, -1, -1, 2, -1, -1, 3, -1, -1});
  CHECK(list(texts.padded) == std::vector{2, 3, 8, 11});
  CHECK(list(texts.text) == std::vector{0, 0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 3});
  CHECK(same_bits(window_offsets(texts.offsets, 3), offsets_of({4, 2, 3, 3})));
}
