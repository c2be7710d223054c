/// Speed of linear, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/linear.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

const auto op = [](const auto& x, const auto& weight, const auto& bias) {
  return linear(x, weight, bias, Activation::relu);
};

const auto naive = [](const Tensor<double, 2>& x, const Tensor<double, 2>& weight, const Tensor<double, 1>& bias) {
  Tensor<double, 2> y(x.extent(0), weight.extent(0));
  for (std::int64_t r = 0; r < y.extent(0); ++r)
    for (std::int64_t c = 0; c < y.extent(1); ++c) {
      double z = bias(c);
      for (std::int64_t k = 0; k < x.extent(1); ++k) z += x(r, k) * weight(c, k);
      y(r, c) = std::max(z, 0.0);
    }
  return y;
};

bool row(std::int64_t rows, std::int64_t in, std::int64_t out) {
  const double flops = 2.0 * double(rows) * double(in) * double(out);
  auto inputs = [](std::int64_t r, std::int64_t i, std::int64_t o) {
    return std::tuple{bench::uniform_tensor(1, r, i), bench::uniform_tensor(2, o, i), bench::uniform_tensor(3, o)};
  };
  return bench::add_op(
      {"linear", text_of(rows, "x", in, "->", out), {.flops = flops}, {.flops = 2 * flops}}, op, naive,
      [=] { return inputs(3, 5, 4); }, [=] { return inputs(rows, in, out); },
      [](const auto& x, const auto& weight, const auto& bias) {
        return [&, saved = linear_forward(x, weight, bias, Activation::relu).saved](const auto& dy) {
          benchmark::DoNotOptimize(linear_backward(dy, x, weight, saved));
        };
      });
}

const bool registered = row(50, 300, 2) && row(2048, 768, 768);  // the text CNN's last layer; BERT's projections

}  // namespace
