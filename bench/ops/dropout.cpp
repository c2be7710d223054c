/// Speed of dropout, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/dropout.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

constexpr double p = 0.5;

/// On a tape the stream and the op number are those of the plain call: Random(1), 0.
const auto op = [](const auto& x) {
  if constexpr (is_recorded<std::remove_cvref_t<decltype(x)>>)
    return dropout(x, p);
  else
    return dropout_forward(x, p, Random(1), 0).y;
};

const auto naive = [](const Tensor<double, 2>& x) {
  auto y = empty_like(x);
  for (std::int64_t i = 0; i < x.size(); ++i)
    y.data()[i] = Random(1).bits(0, std::uint64_t(i)) * 0x1p-32 >= p ? x.data()[i] / (1 - p) : 0;
  return y;
};

/// Reads x and writes y; the mask is drawn, not stored.
bool row(std::int64_t rows, std::int64_t columns) {
  const double bytes = 8.0 * double(rows * columns);
  return bench::add_op(
      {"dropout", text_of(rows, "x", columns), {.bytes = bytes}, {.bytes = bytes}}, op, naive,
      [] { return std::tuple{bench::uniform_tensor(1, 3, 7)}; },
      [=] { return std::tuple{bench::uniform_tensor(1, rows, columns)}; },
      [](const auto& x) {
        return [saved = dropout_forward(x, p, Random(1), 0).saved](const auto& dy) {
          benchmark::DoNotOptimize(dropout_backward(dy, saved));
        };
      });
}

const bool registered = row(50, 300) && row(4096, 768);  // the features of 50 texts; BERT's hidden rows

}  // namespace
