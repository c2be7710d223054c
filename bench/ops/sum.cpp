/// Speed of sum over the first and over the last axis, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/sum.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

/// Forward reads x, backward writes dx.
bool row(std::int64_t rows, std::int64_t columns, int axis) {
  const auto naive = [=](const Tensor<double, 2>& x) {
    Tensor<double, 1> y(axis == 0 ? x.extent(1) : x.extent(0));
    for (std::int64_t r = 0; r < x.extent(0); ++r)
      for (std::int64_t c = 0; c < x.extent(1); ++c) y(axis == 0 ? c : r) += x(r, c);
    return y;
  };
  const double bytes = 4.0 * double(rows * columns);
  return bench::add_op(
      {"sum", text_of(rows, "x", columns, "/axis:", axis), {.bytes = bytes}, {.bytes = bytes}},
      [=](const auto& x) { return sum(x, axis); }, naive, [] { return std::tuple{bench::uniform_tensor(1, 3, 7)}; },
      [=] { return std::tuple{bench::uniform_tensor(1, rows, columns)}; },
      [=](const auto& x) {
        return
            [saved = sum_forward(x, axis).saved](const auto& dy) { benchmark::DoNotOptimize(sum_backward(dy, saved)); };
      });
}

const bool registered = row(4096, 768, 0) && row(4096, 768, 1);

}  // namespace
