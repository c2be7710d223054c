#include <quern/ops/conv1d_relu_max_over_time.hpp>

#include "ops/conv1d_cases.hpp"

namespace {

auto fused(const Offsets& offsets) {
  return [offsets = offsets.share()](const auto& in) {
    return conv1d_relu_max_over_time(Packed{in.x, beside(in.x, offsets)}, in.weight, in.bias);
  };
}
auto composed(const Offsets& offsets) {
  return [offsets = offsets.share()](const auto& in) {
    return max_over_time(relu(conv1d(Packed{in.x, beside(in.x, offsets)}, in.weight, in.bias)));
  };
}

std::vector<double> naive(const Convolution& c, const ConvInputs<double>& in) {
  const auto z = c.windows(in);
  std::vector<double> y;
  std::size_t window = 0;
  for (auto rows : c.lengths) {
    for (std::int64_t f = 0; f < c.filters; ++f) {
      double best = 0;
      for (std::int64_t t = 0; t < rows + c.width - 1; ++t)
        best = std::max(best, z[(window + std::size_t(t)) * std::size_t(c.filters) + std::size_t(f)]);
      y.push_back(best);
    }
    window += std::size_t(rows + c.width - 1);
  }
  return y;
}

OpCase case_of(const Convolution& c, std::int64_t most = 0) {
  const auto texts = std::int64_t(c.lengths.size());
  return {.terms = c.terms(), .backward_terms = std::max(texts, c.filters * c.width), .most = most};
}

const Convolution large{drawn_lengths(40, 30, 1), 20, 17, 5};

}  // namespace

TEST_CASE("conv1d_relu_max_over_time") {
  for (const auto& c : small_convolutions)
    expect_op(c.inputs(), case_of(c), fused(offsets_of(c.lengths)),
              [&](const ConvInputs<double>& in) { return naive(c, in); });
  expect_op(large.inputs(), case_of(large, 40), fused(offsets_of(large.lengths)),
            [&](const ConvInputs<double>& in) { return naive(large, in); });
}

TEST_CASE_TEMPLATE("the fused op has the composition's values bit for bit, and its gradients", T, float, double) {
  auto cases = small_convolutions;
  cases.push_back(large);
  for (const auto& c : cases) {
    const auto in = under_test<T>(c.inputs());
    const auto offsets = offsets_of(c.lengths);
    const auto weights = drawn_weights(c.lengths.size() * std::size_t(c.filters));
    const auto one = pass_over(in, {}, weights, fused(offsets));
    const auto three = pass_over(in, {}, weights, composed(offsets));
    CHECK(same_bits(one.y, three.y));
    const double bound = rounding_bound<T>(case_of(c).backward_terms);
    expect_close("dx", numbers(one.gradients.x), numbers(three.gradients.x), bound);
    expect_close("dweight", numbers(one.gradients.weight), numbers(three.gradients.weight), bound);
    expect_close("dbias", numbers(one.gradients.bias), numbers(three.gradients.bias), bound);
  }
}

TEST_CASE("the fused op has the composition's values on tensor cores too, where floats may go there") {
  if constexpr (has_cuda) {
    const auto in = under_test<float>(large.inputs());
    const auto offsets = offsets_of(large.lengths);
    const auto exact = fused(offsets)(in);
    cuda::use_float_products(cuda::FloatProducts::tf32);
    const auto rounded = fused(offsets)(in);
    CHECK(same_bits(rounded, composed(offsets)(in)));
    cuda::use_float_products(cuda::FloatProducts::exact);
    CHECK(!same_bits(rounded, exact));
  }
}

TEST_CASE("the fused op has the composition's values in bf16 too, though that rounds before its maximum") {
  const auto in = under_test<bf16>(large.inputs());
  const auto offsets = offsets_of(large.lengths);
  CHECK(same_bits(fused(offsets)(in), composed(offsets)(in)));
}

TEST_CASE_TEMPLATE("conv1d_relu_max_over_time: backward as a function gives the tape's gradients", T, float, double) {
  const Convolution c{{3, 1, 7}, 4, 5, 3};
  const auto in = under_test<T>(c.inputs());
  const auto offsets = beside(in.x, offsets_of(c.lengths));
  const auto [y, saved] = conv1d_relu_max_over_time_forward(Packed{in.x, offsets}, in.weight, in.bias);
  const auto d = conv1d_relu_max_over_time_backward(gradient<T>({3, 5}, drawn_weights(15), in.x.device()), saved);
  const auto tape = pass_over(in, {}, drawn_weights(15), fused(offsets_of(c.lengths)));
  CHECK(same_bits(y, tape.y));
  CHECK(same_bits(d.x.rows, tape.gradients.x));
  CHECK(same_bits(d.weight, tape.gradients.weight));
  CHECK(same_bits(d.bias, tape.gradients.bias));
}

TEST_CASE("conv1d_relu_max_over_time refuses shapes that do not fit, and a text without rows") {
  auto call = [](const auto& x, const auto& weight, const auto& bias, Caller at) {
    (void)conv1d_relu_max_over_time(x, weight, bias, at);
  };
  expect_conv_errors("conv1d_relu_max_over_time", call);
  const Packed<float> x{Tensor<float, 2>(5, 3), offsets_of({2, 0, 3})};
  expect_invalid([&] { (void)conv1d_relu_max_over_time(x, Tensor<float, 3>(2, 3, 4), Tensor<float, 1>(2)); },
                 {"conv1d_relu_max_over_time: text 1 of 3 has no rows"});
}
