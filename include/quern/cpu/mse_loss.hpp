/// CPU bodies of mse_loss. The sum is kept in double.
///
///   double loss = cpu::mse_loss(predictions.rows(), targets.rows());
#pragma once
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cpu {

template <class T>
double mse_loss(View<const T, 2> predictions, View<const T, 2> targets) {
  double sum = 0;
  for (std::int64_t i = 0; i < predictions.size(); ++i) {
    const double difference = double(predictions.data[i]) - double(targets.data[i]);
    sum += difference * difference;
  }
  return sum / double(predictions.size());
}

/// dx = dloss · 2/n (x - y)
template <class T>
void mse_loss_backward(double dloss, View<const T, 2> predictions, View<const T, 2> targets, View<T, 2> dpredictions) {
  const double scale = 2 * dloss / double(predictions.size());
  for (std::int64_t i = 0; i < predictions.size(); ++i)
    dpredictions.data[i] = T(scale * (double(predictions.data[i]) - double(targets.data[i])));
}

}  // namespace quern::inline QUERN_ABI::cpu
