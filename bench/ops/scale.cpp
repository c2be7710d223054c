/// Speed of scale, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/scale.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

const auto op = [](const auto& x) { return scale(x, 0.125); };

const auto naive = [](const Tensor<double, 2>& x) {
  auto y = empty_like(x);
  for (std::int64_t i = 0; i < x.size(); ++i) y.data()[i] = 0.125 * x.data()[i];
  return y;
};

/// Reads x and writes y; backward reads dy and writes dx.
bool row(std::int64_t rows, std::int64_t columns) {
  const double bytes = 4.0 * double(rows * columns);
  return bench::add_op(
      {"scale", text_of(rows, "x", columns), {.bytes = 2 * bytes}, {.bytes = 2 * bytes}}, op, naive,
      [] { return std::tuple{bench::uniform_tensor(1, 3, 7)}; },
      [=] { return std::tuple{bench::uniform_tensor(1, rows, columns)}; },
      [](const auto& x) {
        return [saved = scale_forward(x, 0.125).saved](const auto& dy) {
          benchmark::DoNotOptimize(scale_backward(dy, saved));
        };
      });
}

const bool registered =
    row(50, 300) && row(12288, 128);  // features of 50 texts; the attention of 8 texts of 128, 12 heads

}  // namespace
