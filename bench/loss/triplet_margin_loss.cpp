/// Speed of triplet_margin_loss, after its results have been checked: see support/op_bench.hpp.
#include <quern/loss/triplet_margin_loss.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

const auto op = [](const auto& a, const auto& p, const auto& n) { return triplet_margin_loss(a, p, n); };

double distance_of(const Tensor<double, 2>& x, const Tensor<double, 2>& y, std::int64_t b) {
  double sum = 0;
  for (std::int64_t e = 0; e < x.extent(1); ++e) sum += std::pow(x(b, e) - y(b, e), 2);
  return std::sqrt(sum);
}
const auto naive = [](const Tensor<double, 2>& a, const Tensor<double, 2>& p, const Tensor<double, 2>& n) {
  double loss = 0;
  for (std::int64_t b = 0; b < a.extent(0); ++b) loss += std::max(0.0, distance_of(a, p, b) - distance_of(a, n, b) + 1);
  return Tensor<double, 0>::of(Shape<0>{}, {loss / double(a.extent(0))});
};

auto inputs(std::int64_t rows, std::int64_t columns) {
  return std::tuple{bench::uniform_tensor(1, rows, columns), bench::uniform_tensor(2, rows, columns),
                    bench::uniform_tensor(3, rows, columns)};
}

/// Reads three tensors; backward reads them and writes three.
bool row(std::int64_t rows, std::int64_t columns) {
  const double n = double(rows * columns);
  return bench::add_op(
      {"triplet_margin_loss", text_of(rows, "x", columns), {.bytes = 12.0 * n}, {.bytes = 24.0 * n}}, op, naive,
      [] { return inputs(3, 5); }, [=] { return inputs(rows, columns); },
      [](const auto&... x) {
        return [saved = triplet_margin_loss_forward(x...).saved](const auto& dy) {
          benchmark::DoNotOptimize(triplet_margin_loss_backward(dy, saved));
        };
      });
}

const bool registered = row(50, 300) && row(256, 768);

}  // namespace
