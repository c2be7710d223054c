/// Speed of gelu, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/gelu.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

const auto op = [](const auto& x) { return gelu(x); };

const auto naive = [](const Tensor<double, 2>& x) {
  auto y = empty_like(x);
  for (std::int64_t i = 0; i < x.size(); ++i)
    y.data()[i] = x.data()[i] * 0.5 * std::erfc(-x.data()[i] / std::sqrt(2.0));
  return y;
};

/// Reads x and writes y; backward reads dy and x and writes dx.
bool row(std::int64_t rows, std::int64_t columns) {
  const double bytes = 4.0 * double(rows * columns);
  return bench::add_op(
      {"gelu", text_of(rows, "x", columns), {.bytes = 2 * bytes}, {.bytes = 3 * bytes}}, op, naive,
      [] { return std::tuple{bench::uniform_tensor(1, 3, 7)}; },
      [=] { return std::tuple{bench::uniform_tensor(1, rows, columns)}; },
      [](const auto& x) {
        return [saved = gelu_forward(x).saved](const auto& dy) { benchmark::DoNotOptimize(gelu_backward(dy, saved)); };
      });
}

const bool registered = row(128, 3072) && row(4096, 3072);  // the inner layer of BERT: one text, 32 texts

}  // namespace
