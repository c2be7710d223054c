/// Speed of info_nce, after its results have been checked: see support/op_bench.hpp.
#include <quern/loss/info_nce.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

constexpr InfoNceOptions options{.temperature = 0.5, .cosine = true};
const auto op = [](const auto& q, const auto& k) { return info_nce(q, k, options); };

double cosine(const Tensor<double, 2>& x, std::int64_t i, const Tensor<double, 2>& y, std::int64_t j) {
  double xy = 0, xx = 0, yy = 0;
  for (std::int64_t e = 0; e < x.extent(1); ++e)
    xy += x(i, e) * y(j, e), xx += x(i, e) * x(i, e), yy += y(j, e) * y(j, e);
  return xy / std::sqrt(xx * yy);
}
const auto naive = [](const Tensor<double, 2>& q, const Tensor<double, 2>& k) {
  double loss = 0;
  for (std::int64_t i = 0; i < q.extent(0); ++i) {
    double sum = 0;
    for (std::int64_t j = 0; j < k.extent(0); ++j) sum += std::exp(cosine(q, i, k, j) / options.temperature);
    loss += std::log(sum) - cosine(q, i, k, i) / options.temperature;
  }
  return Tensor<double, 0>::of(Shape<0>{}, {loss / double(q.extent(0))});
};

auto inputs(std::int64_t rows, std::int64_t columns) {
  return std::tuple{bench::uniform_tensor(1, rows, columns), bench::uniform_tensor(2, rows, columns)};
}

/// One product of B² E forward, two backward.
bool row(std::int64_t rows, std::int64_t columns) {
  const double flops = 2.0 * double(rows * rows * columns);
  return bench::add_op(
      {"info_nce", text_of(rows, "x", columns), {.flops = flops}, {.flops = 2 * flops}}, op, naive,
      [] { return inputs(3, 5); }, [=] { return inputs(rows, columns); },
      [](const auto&... x) {
        return [saved = info_nce_forward(x..., options).saved](const auto& dy) {
          benchmark::DoNotOptimize(info_nce_backward(dy, saved));
        };
      });
}

const bool registered = row(50, 300) && row(256, 768);

}  // namespace
