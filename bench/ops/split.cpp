/// Speed of split, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/split.hpp>

#include <quern/ops/add.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

/// In two halves, whose sum stands for both.
const auto op = [](const auto& x) {
  const auto halves = split(x, x.extent(1) / 2);
  return add(halves[0], halves[1]);
};

const auto naive = [](const Tensor<double, 2>& x) {
  const std::int64_t half = x.extent(1) / 2;
  Tensor<double, 2> y(x.extent(0), half);
  for (std::int64_t r = 0; r < y.extent(0); ++r)
    for (std::int64_t c = 0; c < half; ++c) y(r, c) = x(r, c) + x(r, half + c);
  return y;
};

/// Forward reads and writes x, then reads the halves and writes their sum; backward zeroes dx and adds to all of it.
bool row(std::int64_t rows, std::int64_t columns) {
  const double bytes = 4.0 * double(rows * columns);
  return bench::add_op(
      {"split", text_of(rows, "x", columns), {.bytes = 3.5 * bytes}, {.bytes = 4 * bytes}}, op, naive,
      [] { return std::tuple{bench::uniform_tensor(1, 3, 8)}; },
      [=] { return std::tuple{bench::uniform_tensor(1, rows, columns)}; },
      [](const auto& x) {
        const auto saved = split_forward(x, {x.extent(1) / 2, x.extent(1) / 2}).saved;
        return [saved](const auto& dy) {
          benchmark::DoNotOptimize(split_backward(std::vector{dy.share(), dy.share()}, saved));
        };
      });
}

const bool registered = row(50, 600) && row(4096, 768);

}  // namespace
