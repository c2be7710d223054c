/// CPU bodies of cross_entropy. Sums over the batch are kept in double: a loss is compared between epochs.
///
///   double loss = cpu::cross_entropy(logits.view(), labels.view(), weights, smoothing, probabilities, losses);
#pragma once
#include <cmath>
#include <limits>

#include <quern/cpu/softmax.hpp>

namespace quern::inline QUERN_ABI::cpu {

namespace detail {
template <class T>
double weight_of(const T* weights, std::int64_t c) {
  return weights ? double(weights[c]) : 1;
}

/// l(b) of one row of logits x and their softmax p.
template <class V, class T>
double row_cross_entropy(const T* x, const accumulator_t<T>* p, std::int64_t classes, std::int32_t label,
                         const T* weights, double smoothing) {
  // The largest p is e^0 / Σ e^(x - largest), so no exponential is needed again; -log p(c) = log_sum - x(c).
  const double most = double(largest_of<V>(p, classes));
  if (!(most > 0)) return std::numeric_limits<double>::quiet_NaN();  // some logit is none, or infinite
  const double log_sum = double(largest_of<V>(x, classes)) - std::log(most);
  double loss = (1 - smoothing) * weight_of(weights, label) * (log_sum - double(x[label]));
  if (smoothing > 0)
    for (std::int64_t c = 0; c < classes; ++c)
      loss += smoothing / double(classes) * weight_of(weights, c) * (log_sum - double(x[c]));
  return loss;
}
}  // namespace detail

/// The mean loss; `probabilities` [B, C] receives softmax(logits), `losses` [B] each text's. `weights` [C] or null. See
/// loss: cross_entropy.
template <class T>
double cross_entropy(View<const T, 2> logits, View<const std::int32_t, 1> labels, const T* weights, double smoothing,
                     View<accumulator_t<T>, 2> probabilities, View<double, 1> losses) {
  const std::int64_t rows = logits.extent(0), classes = logits.extent(1);
  parallel_for(rows, row_grain(classes), [&](std::int64_t begin, std::int64_t end) {
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t b = begin; b < end; ++b) {
        softmax_row<V>(logits.row(b), probabilities.row(b), classes);
        losses.data[b] =
            detail::row_cross_entropy<V>(logits.row(b), probabilities.row(b), classes, labels(b), weights, smoothing);
      }
    });
  });
  double loss = 0, total = 0;
  for (std::int64_t b = 0; b < rows; ++b) loss += losses(b), total += detail::weight_of(weights, labels(b));
  return loss / total;
}

/// dlogits(b, c) = dloss / Σ_b w(label b) · (Σ_k q(b, k) p(b, c) - q(b, c)), q the smoothed and weighted target.
template <class T>
void cross_entropy_backward(T dloss, View<const accumulator_t<T>, 2> probabilities, View<const std::int32_t, 1> labels,
                            const T* weights, double smoothing, View<T, 2> dlogits) {
  using A = accumulator_t<T>;
  const std::int64_t rows = probabilities.extent(0), classes = probabilities.extent(1);
  double total = 0, all = 0;
  for (std::int64_t b = 0; b < rows; ++b) total += detail::weight_of(weights, labels(b));
  for (std::int64_t c = 0; c < classes; ++c) all += detail::weight_of(weights, c);
  const double scale = double(dloss) / total, share = smoothing / double(classes);
  parallel_for(rows, row_grain(classes), [&](std::int64_t begin, std::int64_t end) {
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t b = begin; b < end; ++b) {
        const auto label = labels(b);
        const double hit = (1 - smoothing) * detail::weight_of(weights, label), sum = hit + share * all;
        const A* p = probabilities.row(b);
        T* dx = dlogits.row(b);
        const V by(A(scale * sum)), missed(A(scale * share));
        for_each_vector<V>(classes, [&](std::int64_t c, int count) QUERN_INLINE_LAMBDA {
          const V target = weights ? V::load(weights + c, count) * missed : missed;
          (V::load(p + c, count) * by - target).store(dx + c, count);
        });
        const double target = share * detail::weight_of(weights, label) + hit;  // in double, as p - 1 loses digits
        dx[label] = T(A(scale * (sum * double(p[label]) - target)));
      }
    });
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
