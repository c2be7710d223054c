/// CPU bodies of focal_loss. Computed and summed in double.
///
///   double loss = cpu::focal_loss(logits.view(), labels.view(), alpha, gamma, probabilities.view(), slopes.view());
#pragma once
#include <algorithm>
#include <cmath>

#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// The mean loss; `probabilities` [B, C] receives softmax(logits), `slopes` [B] the derivative of the mean by
/// log p(right label) of each text. `alpha` [C] or null. See loss: focal_loss.
template <class T>
double focal_loss(View<const T, 2> logits, View<const std::int32_t, 1> labels, const T* alpha, double gamma,
                  View<accumulator_t<T>, 2> probabilities, View<double, 1> slopes) {
  const std::int64_t rows = logits.extent(0), classes = logits.extent(1);
  double loss = 0, total = 0;
  for (std::int64_t b = 0; b < rows; ++b) {
    const T* x = logits.row(b);
    const std::int32_t label = labels(b);
    const double largest = double(*std::max_element(x, x + classes));
    double right = 0, wrong = 0;  // e^(x - largest), of the label and of all others
    for (std::int64_t c = 0; c < classes; ++c) (c == label ? right : wrong) += std::exp(double(x[c]) - largest);
    const double sum = right + wrong;
    for (std::int64_t c = 0; c < classes; ++c)
      probabilities(b, c) = accumulator_t<T>(std::exp(double(x[c]) - largest) / sum);
    const double p = right / sum, q = wrong / sum;  // q = 1 - p, without cancellation
    const double log_p = double(x[label]) - largest - std::log(sum), weight = alpha ? double(alpha[label]) : 1;
    const double factor = std::pow(q, gamma);
    loss -= weight * factor * log_p;
    const double bend = q == 0 ? 0 : gamma * std::pow(q, gamma - 1) * p * log_p;  // q → 0: log p → -q, which wins
    slopes(b) = weight * (bend - factor);
    total += weight;
  }
  for (std::int64_t b = 0; b < rows; ++b) slopes(b) /= total;
  return loss / total;
}

/// dx(b, c) = dloss · slope(b) · ([c = y_b] - p(b, c))
template <class T>
void focal_loss_backward(double dloss, View<const accumulator_t<T>, 2> probabilities,
                         View<const std::int32_t, 1> labels, View<const double, 1> slopes, View<T, 2> dlogits) {
  for (std::int64_t b = 0; b < probabilities.extent(0); ++b)
    for (std::int64_t c = 0; c < probabilities.extent(1); ++c)
      dlogits(b, c) = T(dloss * slopes(b) * ((c == labels(b) ? 1 : 0) - double(probabilities(b, c))));
}

}  // namespace quern::inline QUERN_ABI::cpu
