/// CPU bodies of cross_entropy. Sums are kept in double: there are B of them, and a loss is compared between epochs.
///
///   double loss = cpu::cross_entropy(logits.view(), labels.view(), weights, smoothing, probabilities.view());
#pragma once
#include <cmath>

#include <quern/cpu/softmax.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// The mean loss; `probabilities` [B, C] receives softmax(logits). `weights` [C] or null. See ops: cross_entropy.
template <class T>
double cross_entropy(View<const T, 2> logits, View<const std::int32_t, 1> labels, const T* weights, double smoothing,
                     View<accumulator_t<T>, 2> probabilities) {
  softmax(logits, probabilities);
  const std::int64_t classes = logits.extent(1);
  double loss = 0, total = 0;
  for (std::int64_t b = 0; b < logits.extent(0); ++b) {
    const T* x = logits.row(b);
    const double largest = *std::max_element(x, x + classes);
    double sum = 0;
    for (std::int64_t c = 0; c < classes; ++c) sum += std::exp(double(x[c]) - largest);
    const double log_sum = largest + std::log(sum);  // -log p(c) = log_sum - x(c)
    const auto label = labels(b);
    const double weight = weights ? double(weights[label]) : 1;
    double row = (1 - smoothing) * weight * (log_sum - double(x[label]));
    if (smoothing > 0)
      for (std::int64_t c = 0; c < classes; ++c)
        row += smoothing / double(classes) * (weights ? double(weights[c]) : 1) * (log_sum - double(x[c]));
    loss += row;
    total += weight;
  }
  return loss / total;
}

/// dlogits(b, c) = dloss / Σ_b w(label b) · (Σ_k q(b, k) p(b, c) - q(b, c)), q the smoothed and weighted target.
template <class T>
void cross_entropy_backward(T dloss, View<const accumulator_t<T>, 2> probabilities, View<const std::int32_t, 1> labels,
                            const T* weights, double smoothing, View<T, 2> dlogits) {
  const std::int64_t rows = probabilities.extent(0), classes = probabilities.extent(1);
  auto weight = [&](std::int64_t c) { return weights ? double(weights[c]) : 1.0; };
  double total = 0, all = 0;
  for (std::int64_t b = 0; b < rows; ++b) total += weight(labels(b));
  for (std::int64_t c = 0; c < classes; ++c) all += weight(c);
  const double scale = double(dloss) / total, share = smoothing / double(classes);
  for (std::int64_t b = 0; b < rows; ++b) {
    const auto label = labels(b);
    const double hit = (1 - smoothing) * weight(label), sum = hit + share * all;
    for (std::int64_t c = 0; c < classes; ++c) {
      const double target = share * weight(c) + (c == label ? hit : 0);
      dlogits(b, c) = T(scale * (sum * double(probabilities(b, c)) - target));
    }
  }
}

}  // namespace quern::inline QUERN_ABI::cpu
