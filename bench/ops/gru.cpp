/// Speed of gru, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/gru.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

const auto op = [](const auto& x, const auto& weight_ih, const auto& weight_hh, const auto& bias_ih,
                   const auto& bias_hh) {
  return gru(Packed{keep(x), bench::texts_of(x.extent(0))}, weight_ih, weight_hh, bias_ih, bias_hh).rows;
};

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

/// bias(i) + Σ_k a(k) weight(i, k)
double sum_of(const Tensor<double, 1>& bias, const Tensor<double, 2>& weight, std::int64_t i, const double* a) {
  double sum = bias(i);
  for (std::int64_t k = 0; k < weight.extent(1); ++k) sum += a[k] * weight(i, k);
  return sum;
}

const auto naive = [](const Tensor<double, 2>& x, const Tensor<double, 2>& weight_ih,
                      const Tensor<double, 2>& weight_hh, const Tensor<double, 1>& bias_ih,
                      const Tensor<double, 1>& bias_hh) {
  const auto offsets = bench::texts_of(x.extent(0));
  const std::int64_t n = weight_hh.extent(1);
  Tensor<double, 2> y(x.extent(0), n);
  for (std::int64_t b = 0; b + 1 < offsets.size(); ++b) {
    std::vector<double> h(std::size_t(n), 0.0);
    for (std::int64_t row = offsets(b); row < offsets(b + 1); ++row) {
      const auto of_x = [&](std::int64_t i) { return sum_of(bias_ih, weight_ih, i, x.data() + row * x.extent(1)); };
      const auto of_h = [&](std::int64_t i) { return sum_of(bias_hh, weight_hh, i, h.data()); };
      for (std::int64_t u = 0; u < n; ++u) {
        const double r = logistic(of_x(u) + of_h(u)), z = logistic(of_x(n + u) + of_h(n + u));
        y(row, u) = (1 - z) * std::tanh(of_x(2 * n + u) + r * of_h(2 * n + u)) + z * h[std::size_t(u)];
      }
      h.assign(y.data() + row * n, y.data() + (row + 1) * n);
    }
  }
  return y;
};

/// Uniform in ±1/√units: a state then forgets, as those of trained nets do.
template <class... Extents>
auto weight(std::uint32_t number, std::int64_t units, Extents... extents) {
  auto w = bench::uniform_tensor(number, extents...);
  for (float& v : w.span()) v /= std::sqrt(float(units));
  return w;
}
auto inputs(std::int64_t rows, std::int64_t columns, std::int64_t units) {
  return std::tuple{bench::uniform_tensor(1, rows, columns), weight(2, units, 3 * units, columns),
                    weight(3, units, 3 * units, units), weight(4, units, 3 * units), weight(5, units, 3 * units)};
}

/// 32 texts of 64 words. Backward multiplies as much for the states and x, and again for the weights.
bool row(std::int64_t columns, std::int64_t units) {
  const double flops = 2.0 * 32 * 64 * 3 * double(units * (columns + units));
  return bench::add_op(
      {"gru", text_of("32x64x", columns, "*", units), {.flops = flops}, {.flops = 2 * flops}}, op, naive,
      [] { return inputs(6, 3, 4); }, [=] { return inputs(2048, columns, units); },
      [](const auto& x, const auto& weight_ih, const auto& weight_hh, const auto& bias_ih, const auto& bias_hh) {
        Packed texts{x.share(), bench::texts_of(x.extent(0))};
        auto saved = gru_forward(texts, weight_ih, weight_hh, bias_ih, bias_hh).saved;
        return [saved = std::move(saved), texts = std::move(texts), weight_ih = weight_ih.share(),
                weight_hh = weight_hh.share()](const auto& dy) {
          benchmark::DoNotOptimize(gru_backward(Packed{dy.share(), texts.offsets}, texts, weight_ih, weight_hh, saved));
        };
      });
}

const bool registered = row(128, 128) && row(300, 256);

}  // namespace
