/// Speed of max_over_time, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/max_over_time.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

const auto op = [](const auto& x) { return max_over_time(Packed{keep(x), bench::texts_of(x.extent(0))}); };

const auto naive = [](const Tensor<double, 2>& x) {
  const auto offsets = bench::texts_of(x.extent(0));
  Tensor<double, 2> y(offsets.size() - 1, x.extent(1));
  for (std::int64_t b = 0; b < y.extent(0); ++b)
    for (std::int64_t c = 0; c < y.extent(1); ++c) {
      y(b, c) = x(offsets(b), c);
      for (std::int64_t t = offsets(b); t < offsets(b + 1); ++t) y(b, c) = std::max(y(b, c), x(t, c));
    }
  return y;
};

/// Forward reads x; backward writes dx, nearly all of it zeros.
bool row(std::int64_t rows, std::int64_t columns) {
  const double bytes = 4.0 * double(rows * columns);
  return bench::add_op(
      {"max_over_time", text_of(rows, "x", columns), {.bytes = bytes}, {.bytes = bytes}}, op, naive,
      [] { return std::tuple{bench::uniform_tensor(1, 6, 5)}; },
      [=] { return std::tuple{bench::uniform_tensor(1, rows, columns)}; },
      [](const auto& x) {
        return [saved = max_over_time_forward(Packed{x.share(), bench::texts_of(x.extent(0))}).saved](const auto& dy) {
          benchmark::DoNotOptimize(max_over_time_backward(dy, saved));
        };
      });
}

const bool registered = row(3350, 100) && row(4096, 768);  // the windows of 50 texts; BERT's hidden rows

}  // namespace
