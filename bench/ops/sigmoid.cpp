/// Speed of sigmoid, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/sigmoid.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

const auto op = [](const auto& x) { return sigmoid(x); };

const auto naive = [](const Tensor<double, 2>& x) {
  auto y = empty_like(x);
  for (std::int64_t i = 0; i < x.size(); ++i) y.data()[i] = 1 / (1 + std::exp(-x.data()[i]));
  return y;
};

/// Reads x and writes y; backward reads dy and y and writes dx.
bool row(std::int64_t rows, std::int64_t columns) {
  const double bytes = 4.0 * double(rows * columns);
  return bench::add_op(
      {"sigmoid", text_of(rows, "x", columns), {.bytes = 2 * bytes}, {.bytes = 3 * bytes}}, op, naive,
      [] { return std::tuple{bench::uniform_tensor(1, 3, 7)}; },
      [=] { return std::tuple{bench::uniform_tensor(1, rows, columns)}; },
      [](const auto& x) {
        return [saved = sigmoid_forward(x).saved](const auto& dy) {
          benchmark::DoNotOptimize(sigmoid_backward(dy, saved));
        };
      });
}

const bool registered = row(50, 10) && row(4096, 768);  // ten labels of 50 texts; the hidden rows of BERT

}  // namespace
