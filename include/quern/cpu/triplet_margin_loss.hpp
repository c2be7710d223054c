/// CPU bodies of triplet_margin_loss. Computed and summed in double.
///
///   double loss = cpu::triplet_margin_loss(anchors.view(), positives.view(), negatives.view(), margin);
#pragma once
#include <cmath>

#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// ‖a - b‖
template <class T>
double euclidean_distance(const T* a, const T* b, std::int64_t n) {
  double sum = 0;
  for (std::int64_t e = 0; e < n; ++e) {
    const double difference = double(a[e]) - double(b[e]);
    sum += difference * difference;
  }
  return std::sqrt(sum);
}

/// 1/B Σ max(0, ‖a - p‖ - ‖a - n‖ + margin); NaN stays NaN.
template <class T>
double triplet_margin_loss(View<const T, 2> anchors, View<const T, 2> positives, View<const T, 2> negatives,
                           double margin) {
  const std::int64_t rows = anchors.extent(0), n = anchors.extent(1);
  double sum = 0;
  for (std::int64_t b = 0; b < rows; ++b) {
    const double l = euclidean_distance(anchors.row(b), positives.row(b), n) -
                     euclidean_distance(anchors.row(b), negatives.row(b), n) + margin;
    sum += l < 0 ? 0 : l;
  }
  return sum / double(rows);
}

/// Triplets that are apart by more than the margin get no gradient; two equal vectors do not push each other.
template <class T>
void triplet_margin_loss_backward(double dloss, View<const T, 2> anchors, View<const T, 2> positives,
                                  View<const T, 2> negatives, double margin, View<T, 2> danchors, View<T, 2> dpositives,
                                  View<T, 2> dnegatives) {
  const std::int64_t rows = anchors.extent(0), n = anchors.extent(1);
  for (std::int64_t b = 0; b < rows; ++b) {
    const T *a = anchors.row(b), *p = positives.row(b), *q = negatives.row(b);
    const double near = euclidean_distance(a, p, n), far = euclidean_distance(a, q, n);
    const double scale = near - far + margin <= 0 ? 0 : dloss / double(rows);
    const double pull = near == 0 ? 0 : scale / near, push = far == 0 ? 0 : scale / far;
    for (std::int64_t e = 0; e < n; ++e) {
      const double to_positive = pull * (double(a[e]) - double(p[e])),
                   to_negative = push * (double(a[e]) - double(q[e]));
      danchors(b, e) = T(to_positive - to_negative);
      dpositives(b, e) = T(-to_positive);
      dnegatives(b, e) = T(to_negative);
    }
  }
}

}  // namespace quern::inline QUERN_ABI::cpu
