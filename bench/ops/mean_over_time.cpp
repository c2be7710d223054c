/// Speed of mean_over_time, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/mean_over_time.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

const auto op = [](const auto& x) { return mean_over_time(Packed{keep(x), bench::texts_of(x.extent(0))}); };

const auto naive = [](const Tensor<double, 2>& x) {
  const auto offsets = bench::texts_of(x.extent(0));
  Tensor<double, 2> y(offsets.size() - 1, x.extent(1));
  for (std::int64_t b = 0; b < y.extent(0); ++b)
    for (std::int64_t c = 0; c < y.extent(1); ++c)
      for (std::int64_t t = offsets(b); t < offsets(b + 1); ++t)
        y(b, c) += x(t, c) / double(offsets(b + 1) - offsets(b));
  return y;
};

/// Forward reads x, backward writes dx.
bool row(std::int64_t rows, std::int64_t columns) {
  const double bytes = 4.0 * double(rows * columns);
  return bench::add_op(
      {"mean_over_time", text_of(rows, "x", columns), {.bytes = bytes}, {.bytes = bytes}}, op, naive,
      [] { return std::tuple{bench::uniform_tensor(1, 6, 5)}; },
      [=] { return std::tuple{bench::uniform_tensor(1, rows, columns)}; },
      [](const auto& x) {
        return [saved = mean_over_time_forward(Packed{x.share(), bench::texts_of(x.extent(0))}).saved](const auto& dy) {
          benchmark::DoNotOptimize(mean_over_time_backward(dy, saved));
        };
      });
}

const bool registered = row(3350, 300) && row(4096, 768);  // the words of 50 texts; BERT's hidden rows

}  // namespace
