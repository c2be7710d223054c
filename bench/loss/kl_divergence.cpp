/// Speed of kl_divergence, after its results have been checked: see support/op_bench.hpp.
#include <quern/loss/kl_divergence.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

/// The teacher's logits, made once for each shape.
template <class T>
const Tensor<T, 2>& targets_for(const Shape<2>& shape) {
  static Tensor<T, 2> targets;
  if (targets.shape() == shape) return targets;
  targets = Tensor<T, 2>::empty(shape);
  for (std::int64_t i = 0; i < targets.size(); ++i) targets.data()[i] = T(double(i % 7) / 4 - 0.75);
  return targets;
}

constexpr double temperature = 2;

struct Op {
  template <class T>
  auto operator()(const Tensor<T, 2>& x) const {
    return kl_divergence_with_logits(x, targets_for<T>(x.shape()), temperature);
  }
  template <class T>
  auto operator()(const Tensor<Recorded<T>, 2>& x) const {
    return kl_divergence_with_logits(x, targets_for<T>(x.shape()), temperature);
  }
};

/// log Σ e^(x/τ) of row b.
double log_sum(const Tensor<double, 2>& x, std::int64_t b) {
  double sum = 0;
  for (std::int64_t c = 0; c < x.extent(1); ++c) sum += std::exp(x(b, c) / temperature);
  return std::log(sum);
}
const auto naive = [](const Tensor<double, 2>& x) {
  const auto& teacher = targets_for<double>(x.shape());
  double sum = 0;
  for (std::int64_t b = 0; b < x.extent(0); ++b)
    for (std::int64_t c = 0; c < x.extent(1); ++c) {
      const double log_t = teacher(b, c) / temperature - log_sum(teacher, b);
      sum += std::exp(log_t) * (log_t - x(b, c) / temperature + log_sum(x, b));
    }
  return Tensor<double, 0>::of(Shape<0>{}, {temperature * temperature * sum / double(x.extent(0))});
};

/// Reads both logits and writes the difference of their softmaxes; backward reads it and writes dlogits.
bool row(std::int64_t rows, std::int64_t columns) {
  const double n = double(rows * columns);
  return bench::add_op(
      {"kl_divergence_with_logits", text_of(rows, "x", columns), {.bytes = 12.0 * n}, {.bytes = 8.0 * n}}, Op{}, naive,
      [] { return std::tuple{bench::uniform_tensor(1, 3, 5)}; },
      [=] { return std::tuple{bench::uniform_tensor(1, rows, columns)}; },
      [](const auto& x) {
        return [saved = kl_divergence_with_logits_forward(x, targets_for<float>(x.shape()), temperature).saved](
                   const auto& dy) { benchmark::DoNotOptimize(kl_divergence_with_logits_backward(dy, saved)); };
      });
}

const bool registered = row(50, 8) && row(2048, 64);

}  // namespace
