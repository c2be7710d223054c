/// CPU bodies of binary_cross_entropy_with_logits. Computed and summed in double.
///
///   double loss = cpu::binary_cross_entropy_with_logits(logits.rows(), targets.rows(), pos_weight, classes);
#pragma once
#include <algorithm>
#include <cmath>

#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// log(1 + e^x) = max(x, 0) + log(1 + e^-|x|): nothing overflows, and NaN stays NaN.
inline double log_one_plus_exp(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

/// The mean over all elements. `pos_weight` has a number for each of `classes`, which repeat, or is null.
template <class T>
double binary_cross_entropy_with_logits(View<const T, 2> logits, View<const T, 2> targets, const T* pos_weight,
                                        std::int64_t classes) {
  double sum = 0;
  for (std::int64_t i = 0; i < logits.size(); ++i) {
    const double x = double(logits.data[i]), y = double(targets.data[i]);
    const double weight = pos_weight ? 1 + (double(pos_weight[i % classes]) - 1) * y : 1;
    sum += (1 - y) * x + weight * log_one_plus_exp(-x);
  }
  return sum / double(logits.size());
}

/// dx = dloss/n · (1 - y - (1 + (p - 1) y) σ(-x))
template <class T>
void binary_cross_entropy_with_logits_backward(double dloss, View<const T, 2> logits, View<const T, 2> targets,
                                               const T* pos_weight, std::int64_t classes, View<T, 2> dlogits) {
  const double scale = dloss / double(logits.size());
  for (std::int64_t i = 0; i < logits.size(); ++i) {
    const double x = double(logits.data[i]), y = double(targets.data[i]);
    const double weight = pos_weight ? 1 + (double(pos_weight[i % classes]) - 1) * y : 1;
    dlogits.data[i] = T(scale * (1 - y - weight / (1 + std::exp(x))));
  }
}

}  // namespace quern::inline QUERN_ABI::cpu
