#include <quern/ops/conv1d.hpp>

#include "ops/conv1d_cases.hpp"

namespace {

auto op(const Offsets& offsets, Activation activation) {
  return [offsets = offsets.share(), activation](const auto& in) {
    return conv1d(Packed{in.x, beside(in.x, offsets)}, in.weight, in.bias, activation);
  };
}

void expect_conv(const Convolution& c, Activation activation, std::int64_t most = 0) {
  const auto offsets = offsets_of(c.lengths);
  expect_op(c.inputs(), {.terms = c.terms(), .backward_terms = c.backward_terms(), .most = most},
            op(offsets, activation), [&](const ConvInputs<double>& in) {
              auto z = c.windows(in);
              if (activation == Activation::relu)
                for (auto& v : z) v = std::max(v, 0.0);
              return z;
            });
}

}  // namespace

TEST_CASE("conv1d, with and without relu") {
  for (auto activation : {Activation::none, Activation::relu}) {
    for (const auto& c : small_convolutions) expect_conv(c, activation);
    expect_conv({drawn_lengths(40, 30, 1), 20, 17, 5}, activation, 12);
  }
}

TEST_CASE("conv1d: packs of 16 and of 8 bytes, and windows over several tiles") {
  for (std::int64_t columns : {8, 12}) expect_conv({{150, 1, 40}, columns, columns, 3}, Activation::relu, 4);
}

TEST_CASE("conv1d of texts without rows has windows of padding alone, and of no width none") {
  expect_conv({{0, 2, 0}, 3, 2, 3}, Activation::none);
  expect_conv({{0, 2, 0}, 3, 2, 1}, Activation::none);
}

TEST_CASE_TEMPLATE("conv1d: a text's windows do not depend on its neighbours", T, float, double) {
  const Convolution c{{3, 1, 7}, 4, 5, 3};
  const auto on_cpu = cast<T>(c.inputs());
  const auto in = under_test<T>(c.inputs());
  const auto all = conv1d(Packed{in.x, beside(in.x, offsets_of(c.lengths))}, in.weight, in.bias);
  const auto rows_of_all = on_host(all.rows);
  const auto offsets = on_host(all.offsets);
  CHECK(same_bits(all.offsets, offsets_of({5, 3, 9})));
  for (int b = 0; b < 3; ++b) {
    const auto begin = offsets_of(c.lengths)(b);
    const auto rows = c.lengths[std::size_t(b)];
    const auto x = Tensor<T, 2>::of({rows, 4}, std::span(on_cpu.x.data() + begin * 4, std::size_t(rows * 4)));
    const auto alone = conv1d(Packed{beside(in.x, x), beside(in.x, offsets_of({rows}))}, in.weight, in.bias).rows;
    const auto* first = rows_of_all.data() + offsets(b) * 5;
    CHECK(same_bits(alone, Tensor<T, 2>::of(alone.shape(), std::span(first, std::size_t(alone.size())))));
  }
}

TEST_CASE_TEMPLATE("conv1d: backward as a function gives the tape's gradients", T, float, double) {
  for (auto activation : {Activation::none, Activation::relu}) {
    const Convolution c{{3, 1, 7}, 4, 5, 3};
    const auto in = under_test<T>(c.inputs());
    const auto offsets = beside(in.x, offsets_of(c.lengths));
    const auto [y, saved] = conv1d_forward(Packed{in.x, offsets}, in.weight, in.bias, activation);
    const auto weights = drawn_weights(std::size_t(y.rows.size()));
    const auto d = conv1d_backward(Packed{gradient<T>(y.rows.shape(), weights, in.x.device()), y.offsets}, saved);
    const auto tape = pass_over(in, {}, weights, op(offsets_of(c.lengths), activation));
    CHECK(same_bits(y.rows, tape.y));
    CHECK(same_bits(d.x.rows, tape.gradients.x));
    CHECK(same_bits(d.weight, tape.gradients.weight));
    CHECK(same_bits(d.bias, tape.gradients.bias));
  }
}

TEST_CASE("conv1d refuses shapes that do not fit") {
  expect_conv_errors("conv1d", [](const auto& x, const auto& weight, const auto& bias, Caller at) {
    (void)conv1d(x, weight, bias, Activation::none, at);
  });
}

TEST_CASE("conv1d names the line of the call") {
  const Packed<float> x{Tensor<float, 2>(2, 3), offsets_of({2})};
  expect_invalid([&] { (void)conv1d(x, Tensor<float, 3>(2, 4, 3), Tensor<float, 1>(2)); }, {"conv1d: "});
}
