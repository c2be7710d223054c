/// Speed of softplus, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/softplus.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

const auto op = [](const auto& x) { return softplus(x); };

const auto naive = [](const Tensor<double, 2>& x) {
  auto y = empty_like(x);
  for (std::int64_t i = 0; i < x.size(); ++i) y.data()[i] = std::log(1 + std::exp(x.data()[i]));
  return y;
};

/// Reads x and writes y; backward reads dy and x and writes dx.
bool row(std::int64_t rows, std::int64_t columns) {
  const double bytes = 4.0 * double(rows * columns);
  return bench::add_op(
      {"softplus", text_of(rows, "x", columns), {.bytes = 2 * bytes}, {.bytes = 3 * bytes}}, op, naive,
      [] { return std::tuple{bench::uniform_tensor(1, 3, 7)}; },
      [=] { return std::tuple{bench::uniform_tensor(1, rows, columns)}; },
      [](const auto& x) {
        return [saved = softplus_forward(x).saved](const auto& dy) {
          benchmark::DoNotOptimize(softplus_backward(dy, saved));
        };
      });
}

const bool registered = row(50, 10) && row(4096, 768);  // ten scores of 50 texts; the hidden rows of BERT

}  // namespace
