/// Speed of log_softmax, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/log_softmax.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

const auto op = [](const auto& x) { return log_softmax(x); };

const auto naive = [](const Tensor<double, 2>& x) {
  auto y = empty_like(x);
  for (std::int64_t r = 0; r < x.extent(0); ++r) {
    double sum = 0;
    for (std::int64_t c = 0; c < x.extent(1); ++c) sum += std::exp(x(r, c));
    for (std::int64_t c = 0; c < x.extent(1); ++c) y(r, c) = x(r, c) - std::log(sum);
  }
  return y;
};

/// Reads x and writes y; backward reads dy and y and writes dx.
bool row(std::int64_t rows, std::int64_t columns) {
  const double bytes = 4.0 * double(rows * columns);
  return bench::add_op(
      {"log_softmax", text_of(rows, "x", columns), {.bytes = 2 * bytes}, {.bytes = 3 * bytes}}, op, naive,
      [] { return std::tuple{bench::uniform_tensor(1, 3, 5)}; },
      [=] { return std::tuple{bench::uniform_tensor(1, rows, columns)}; },
      [](const auto& x) {
        return [saved = log_softmax_forward(x).saved](const auto& dy) {
          benchmark::DoNotOptimize(log_softmax_backward(dy, saved));
        };
      });
}

const bool registered = row(50, 2) && row(128, 30522);  // two classes; the words that BERT guesses of one text

}  // namespace
