/// Speed of reshape, after its results have been checked: see support/op_bench.hpp. Nothing is moved: the time is that
/// of making a tensor over memory that is there, whatever its size.
#include <quern/ops/reshape.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

const auto op = [](const auto& x) { return reshape(x, Shape{x.extent(1), x.extent(0)}); };

const auto naive = [](const Tensor<double, 2>& x) {
  Tensor<double, 2> y(x.extent(1), x.extent(0));
  for (std::int64_t i = 0; i < x.size(); ++i) y.data()[i] = x.data()[i];
  return y;
};

bool row(std::int64_t rows, std::int64_t columns) {
  return bench::add_op(
      {"reshape", text_of(rows, "x", columns), {}, {}}, op, naive,
      [] { return std::tuple{bench::uniform_tensor(1, 3, 7)}; },
      [=] { return std::tuple{bench::uniform_tensor(1, rows, columns)}; },
      [](const auto& x) {
        return [saved = ReshapeSaved<2>{x.shape()}](const auto& dy) {
          benchmark::DoNotOptimize(reshape_backward(dy, saved));
        };
      });
}

const bool registered = row(50, 300) && row(4096, 768);

}  // namespace
