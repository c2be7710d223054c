/// CPU bodies of kl_divergence and kl_divergence_with_logits. Computed and summed in double.
///
///   double loss = cpu::kl_divergence(log_probabilities.view(), targets.view());
#pragma once
#include <algorithm>
#include <cmath>

#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// 1/B Σ t (log t - x). A target of 0 costs nothing, but a NaN beside it is not hidden: 0 log 0 in double is NaN.
template <class T>
double kl_divergence(View<const T, 2> log_probabilities, View<const T, 2> targets) {
  double sum = 0;
  for (std::int64_t i = 0; i < targets.size(); ++i) {
    const double x = double(log_probabilities.data[i]), t = double(targets.data[i]);
    if (t > 0 || std::isnan(x)) sum += t * (std::log(t) - x);
  }
  return sum / double(targets.extent(0));
}

/// dx = -dloss/B · t
template <class T>
void kl_divergence_backward(double dloss, View<const T, 2> targets, View<T, 2> dlog_probabilities) {
  const double scale = -dloss / double(targets.extent(0));
  for (std::int64_t i = 0; i < targets.size(); ++i) dlog_probabilities.data[i] = T(scale * double(targets.data[i]));
}

/// log Σ_c e^(x(c)/τ)
template <class T>
double log_sum_exp(const T* x, std::int64_t classes, double temperature) {
  const double largest = double(*std::max_element(x, x + classes));
  double sum = 0;
  for (std::int64_t c = 0; c < classes; ++c) sum += std::exp((double(x[c]) - largest) / temperature);
  return largest / temperature + std::log(sum);
}

/// τ²/B Σ_b KL(softmax(t/τ) ‖ softmax(x/τ)); `difference` receives softmax(x/τ) - softmax(t/τ).
template <class T>
double kl_divergence_with_logits(View<const T, 2> logits, View<const T, 2> target_logits, double temperature,
                                 View<accumulator_t<T>, 2> difference) {
  const std::int64_t rows = logits.extent(0), classes = logits.extent(1);
  double sum = 0;
  for (std::int64_t b = 0; b < rows; ++b) {
    const double log_sum = log_sum_exp(logits.row(b), classes, temperature);
    const double target_log_sum = log_sum_exp(target_logits.row(b), classes, temperature);
    for (std::int64_t c = 0; c < classes; ++c) {
      const double log_p = double(logits(b, c)) / temperature - log_sum;
      const double log_t = double(target_logits(b, c)) / temperature - target_log_sum, t = std::exp(log_t);
      sum += t * (log_t - log_p);
      difference(b, c) = accumulator_t<T>(std::exp(log_p) - t);
    }
  }
  return temperature * temperature * sum / double(rows);
}

/// dlogits = dloss τ/B · difference
template <class T>
void kl_divergence_with_logits_backward(double dloss, View<const accumulator_t<T>, 2> difference, double temperature,
                                        View<T, 2> dlogits) {
  const double scale = dloss * temperature / double(difference.extent(0));
  for (std::int64_t i = 0; i < difference.size(); ++i) dlogits.data[i] = T(scale * double(difference.data[i]));
}

}  // namespace quern::inline QUERN_ABI::cpu
