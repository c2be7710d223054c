/// Speed of slice, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/slice.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

/// The middle half of the columns.
const auto op = [](const auto& x) { return slice(x, 1, x.extent(1) / 4, x.extent(1) * 3 / 4); };

const auto naive = [](const Tensor<double, 2>& x) {
  const std::int64_t begin = x.extent(1) / 4, end = x.extent(1) * 3 / 4;
  Tensor<double, 2> y(x.extent(0), end - begin);
  for (std::int64_t r = 0; r < y.extent(0); ++r)
    for (std::int64_t c = begin; c < end; ++c) y(r, c - begin) = x(r, c);
  return y;
};

/// Forward reads and writes half of the columns; backward zeroes dx, and reads dy and adds it to half of dx.
bool row(std::int64_t rows, std::int64_t columns) {
  const double bytes = 4.0 * double(rows * columns);
  return bench::add_op(
      {"slice", text_of(rows, "x", columns), {.bytes = bytes}, {.bytes = 2.5 * bytes}}, op, naive,
      [] { return std::tuple{bench::uniform_tensor(1, 3, 7)}; },
      [=] { return std::tuple{bench::uniform_tensor(1, rows, columns)}; },
      [](const auto& x) {
        const auto saved = slice_forward(x, 1, x.extent(1) / 4, x.extent(1) * 3 / 4).saved;
        return [saved](const auto& dy) { benchmark::DoNotOptimize(slice_backward(dy, saved)); };
      });
}

const bool registered = row(3350, 100) && row(4096, 768);

}  // namespace
