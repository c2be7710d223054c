/// Speed of add, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/add.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

const auto op = [](const auto& a, const auto& b) { return add(a, b); };

const auto naive = [](const Tensor<double, 2>& a, const Tensor<double, 2>& b) {
  auto y = empty_like(a);
  for (std::int64_t i = 0; i < a.size(); ++i) y.data()[i] = a.data()[i] + b.data()[i];
  return y;
};

/// Reads a and b and writes y. Backward moves nothing: both gradients are dy itself.
bool row(std::int64_t rows, std::int64_t columns) {
  return bench::add_op(
      {"add", text_of(rows, "x", columns), {.bytes = 12.0 * double(rows * columns)}, {}}, op, naive,
      [] {
        return std::tuple{bench::uniform_tensor(1, 3, 7), bench::uniform_tensor(2, 3, 7)};
      },
      [=] {
        return std::tuple{bench::uniform_tensor(1, rows, columns), bench::uniform_tensor(2, rows, columns)};
      },
      [](const auto&, const auto&) { return [](const auto& dy) { benchmark::DoNotOptimize(add_backward(dy)); }; });
}

const bool registered = row(3200, 300) && row(4096, 768);  // word vectors of 50 texts; BERT's residual sum

}  // namespace
