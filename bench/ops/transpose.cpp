/// Speed of transpose, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/transpose.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

const auto op = [](const auto& x) { return transpose(x); };

const auto naive = [](const Tensor<double, 2>& x) {
  Tensor<double, 2> y(x.extent(1), x.extent(0));
  for (std::int64_t r = 0; r < x.extent(0); ++r)
    for (std::int64_t c = 0; c < x.extent(1); ++c) y(c, r) = x(r, c);
  return y;
};

bool row(std::int64_t rows, std::int64_t columns) {
  const double bytes = 2 * 4.0 * double(rows * columns);
  return bench::add_op(
      {"transpose", text_of(rows, "x", columns), {.bytes = bytes}, {.bytes = bytes}}, op, naive,
      [] { return std::tuple{bench::uniform_tensor(1, 3, 7)}; },
      [=] { return std::tuple{bench::uniform_tensor(1, rows, columns)}; },
      [](const auto&) { return [](const auto& dy) { benchmark::DoNotOptimize(transpose_backward(dy)); }; });
}

const bool registered = row(300, 100) && row(3072, 768);

}  // namespace
