/// Speed of mul, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/mul.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

const auto op = [](const auto& a, const auto& b) { return mul(a, b); };

const auto naive = [](const Tensor<double, 2>& a, const Tensor<double, 2>& b) {
  auto y = empty_like(a);
  for (std::int64_t i = 0; i < a.size(); ++i) y.data()[i] = a.data()[i] * b.data()[i];
  return y;
};

/// Reads a and b and writes y; backward reads dy twice, a and b, and writes both gradients.
bool row(std::int64_t rows, std::int64_t columns) {
  const double bytes = 4.0 * double(rows * columns);
  return bench::add_op(
      {"mul", text_of(rows, "x", columns), {.bytes = 3 * bytes}, {.bytes = 6 * bytes}}, op, naive,
      [] {
        return std::tuple{bench::uniform_tensor(1, 3, 7), bench::uniform_tensor(2, 3, 7)};
      },
      [=] {
        return std::tuple{bench::uniform_tensor(1, rows, columns), bench::uniform_tensor(2, rows, columns)};
      },
      [](const auto& a, const auto& b) {
        return [a = a.share(), b = b.share()](const auto& dy) { benchmark::DoNotOptimize(mul_backward(dy, a, b)); };
      });
}

const bool registered = row(50, 300) && row(4096, 768);  // features of 50 texts; the hidden rows of BERT

}  // namespace
