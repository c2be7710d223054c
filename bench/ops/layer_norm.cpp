/// Speed of layer_norm, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/layer_norm.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

constexpr double eps = 1e-5;

const auto op = [](const auto& x, const auto& weight, const auto& bias) { return layer_norm(x, weight, bias, eps); };

const auto naive = [](const Tensor<double, 2>& x, const Tensor<double, 1>& weight, const Tensor<double, 1>& bias) {
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

/// Reads x and writes y; backward reads dy and x and writes dx.
bool row(std::int64_t rows, std::int64_t columns) {
  const double bytes = 4.0 * double(rows * columns);
  return bench::add_op(
      {"layer_norm", text_of(rows, "x", columns), {.bytes = 2 * bytes}, {.bytes = 3 * bytes}}, op, naive,
      [] {
        return std::tuple{bench::uniform_tensor(1, 3, 7), bench::uniform_tensor(2, 7), bench::uniform_tensor(3, 7)};
      },
      [=] {
        return std::tuple{bench::uniform_tensor(1, rows, columns), bench::uniform_tensor(2, columns),
                          bench::uniform_tensor(3, columns)};
      },
      [](const auto& x, const auto& weight, const auto& bias) {
        return [x = x.share(), weight = weight.share(), saved = layer_norm_forward(x, weight, bias, eps).saved](
                   const auto& dy) { benchmark::DoNotOptimize(layer_norm_backward(dy, x, weight, saved)); };
      });
}

const bool registered = row(128, 768) && row(4096, 768);  // the hidden rows of BERT: one text, 32 texts

}  // namespace
