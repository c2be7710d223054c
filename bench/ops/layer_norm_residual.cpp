/// Speed of layer_norm_residual, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/layer_norm_residual.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

constexpr double eps = 1e-5, p = 0.1;

/// On a tape the stream and the op number are those of the plain call: Random(1), 0.
const auto op = [](const auto& x, const auto& residual, const auto& weight, const auto& bias) {
  if constexpr (is_recorded<std::remove_cvref_t<decltype(x)>>)
    return layer_norm_residual(x, residual, weight, bias, eps, p);
  else
    return layer_norm_residual_forward(x, residual, weight, bias, eps, p, Random(1), 0).y;
};

const auto naive = [](Tensor<double, 2> x, const Tensor<double, 2>& residual, const Tensor<double, 1>& weight,
                      const Tensor<double, 1>& bias) {
  for (std::int64_t i = 0; i < x.size(); ++i)
    if (Random(1).bits(0, std::uint64_t(i)) * 0x1p-32 >= p) x.data()[i] += residual.data()[i] / (1 - p);
  auto y = empty_like(x);
  const std::int64_t n = x.extent(1);
  for (std::int64_t r = 0; r < x.extent(0); ++r) {
    double mean = 0, variance = 0;
    for (std::int64_t c = 0; c < n; ++c) mean += x(r, c) / double(n);
    for (std::int64_t c = 0; c < n; ++c) variance += (x(r, c) - mean) * (x(r, c) - mean) / double(n);
    for (std::int64_t c = 0; c < n; ++c) y(r, c) = (x(r, c) - mean) / std::sqrt(variance + eps) * weight(c) + bias(c);
  }
  return y;
};

/// Reads x and residual and writes y; backward reads dy, x and residual and writes both gradients.
bool row(std::int64_t rows, std::int64_t columns) {
  const double bytes = 4.0 * double(rows * columns);
  return bench::add_op(
      {"layer_norm_residual", text_of(rows, "x", columns), {.bytes = 3 * bytes}, {.bytes = 5 * bytes}}, op, naive,
      [] {
        return std::tuple{bench::uniform_tensor(1, 3, 7), bench::uniform_tensor(4, 3, 7), bench::uniform_tensor(2, 7),
                          bench::uniform_tensor(3, 7)};
      },
      [=] {
        return std::tuple{bench::uniform_tensor(1, rows, columns), bench::uniform_tensor(4, rows, columns),
                          bench::uniform_tensor(2, columns), bench::uniform_tensor(3, columns)};
      },
      [](const auto& x, const auto& residual, const auto& weight, const auto& bias) {
        return [x = x.share(), residual = residual.share(), weight = weight.share(),
                saved = layer_norm_residual_forward(x, residual, weight, bias, eps, p, Random(1), 0).saved](
                   const auto& dy) {
          benchmark::DoNotOptimize(layer_norm_residual_backward(dy, x, residual, weight, saved));
        };
      });
}

const bool registered = row(128, 768) && row(4096, 768);  // the hidden rows of BERT: one text, 32 texts

}  // namespace
