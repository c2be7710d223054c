/// Kernels of cross_entropy: the forward pass reads the logits once and writes the probabilities, the backward pass
/// reads those once.
#pragma once
#include "kernels/losses.cuh"

namespace quern::inline QUERN_ABI::kernels {

template <class T>
struct CrossEntropyTerms {
  View<const std::int32_t, 1> labels;
  const T* weights;  // [C], or null: all 1
  float smoothing;
};

/// What a row's threads found together: its largest logit m, Σ e^(x - m), Σ w (m - x) and Σ w.
struct RowOfLogits {
  float largest, sum, spread, all;
};

/// The loss of a text: (1-ε) w(y) (-log p(y)) + ε/C Σ_c w(c) (-log p(c)), where -log p(c) = (m - x(c)) + log Σ e^(x -
/// m). One thread calls.
template <class T>
__device__ __forceinline__ void store_loss(const RowOfLogits& row, const CrossEntropyTerms<T>& terms, int classes,
                                           int label, float x_label, float* loss, float* weight) {
  const float w = weight_of(terms.weights, label), log_sum = logf(row.sum);
  *weight = w;
  *loss = (1 - terms.smoothing) * w * (row.largest - x_label + log_sum);
  if (terms.smoothing > 0) *loss += terms.smoothing / float(classes) * (row.spread + row.all * log_sum);
}

/// Grid and block: row_launch, a team for each text.
template <class T, class Plan>
__global__ void __launch_bounds__(Plan::most_threads)
    cross_entropy(View<const T, 2> logits, CrossEntropyTerms<T> terms, View<float, 2> probabilities, float* losses,
                  float* weights, Complaint complaint) {
  const typename Plan::Team team(shared_memory<RowShared>().partial);
  const std::int64_t b = team.index();
  const int classes = int(logits.extent(1));
  if (b >= logits.extent(0)) return;
  const int label = label_of(terms.labels, b, classes, team.rank() == 0, complaint);
  float v[Plan::elements];
  load_row<Plan>(team, logits.row(b), classes, v, -infinity);
  RowOfLogits row{team.max(largest_of(v)), 0, 0, 0};
  if (terms.smoothing > 0) {
    for_each_column<Plan>(team, classes, [&](int i, int c) {
      const float w = weight_of(terms.weights, c);
      row.spread += w * (row.largest - v[i]);
      row.all += w;
    });
    row.spread = team.sum(row.spread), row.all = team.sum(row.all);
  }
  for (float& e : v) e = exp_below_one(e - row.largest);
  row.sum = team.sum(sum_of(v));
  if (team.rank() == 0) store_loss(row, terms, classes, label, float(logits(b, label)), losses + b, weights + b);
  const float scale = 1 / row.sum;
  for (float& e : v) e *= scale;
  store_row<Plan>(team, probabilities.row(b), classes, v);
}

/// Grid: a block for each text; any block of whole warps.
template <class T>
__global__ void __launch_bounds__(256)
    cross_entropy_plain(View<const T, 2> logits, CrossEntropyTerms<T> terms, View<float, 2> probabilities,
                        float* losses, float* weights, Complaint complaint) {
  const BlockTeam team(shared_memory<RowShared>().partial);
  const std::int64_t b = blockIdx.x, classes = logits.extent(1);
  const int label = label_of(terms.labels, b, int(classes), team.rank() == 0, complaint);
  const T* x = logits.row(b);
  RowOfLogits row{-infinity, 0, 0, 0};
  for_each_column_of(team, classes, [&](std::int64_t c) { row.largest = fmaxf(row.largest, float(x[c])); });
  row.largest = team.max(row.largest);
  for_each_column_of(team, classes, [&](std::int64_t c) {
    const float w = weight_of(terms.weights, int(c));
    row.sum += exp_below_one(float(x[c]) - row.largest);
    row.spread += w * (row.largest - float(x[c]));
    row.all += w;
  });
  row.sum = team.sum(row.sum), row.spread = team.sum(row.spread), row.all = team.sum(row.all);
  if (team.rank() == 0) store_loss(row, terms, int(classes), label, float(x[label]), losses + b, weights + b);
  for_each_column_of(team, classes, [&](std::int64_t c) {
    probabilities(b, c) = exp_below_one(float(x[c]) - row.largest) * (1 / row.sum);
  });
}

/// Grid and block: walk_launch, a team for each text.
/// dlogits(b, c) = dloss / total · (Σ_k q(b, k) p(b, c) - q(b, c)), q the smoothed and weighted target.
template <class T, class Walk>
__global__ void __launch_bounds__(Walk::most_threads)
    cross_entropy_backward(const T* dloss, View<const float, 2> probabilities, CrossEntropyTerms<T> terms,
                           const double* totals, View<T, 2> dlogits) {
  const typename Walk::Team team(shared_memory<RowShared>().partial);
  const std::int64_t b = team.index(), classes = dlogits.extent(1);
  if (b >= dlogits.extent(0)) return;
  const int given = terms.labels(b), label = given >= 0 && given < classes ? given : 0;  // others were reported
  const float scale = float(double(*dloss) / totals[0]), share = terms.smoothing / float(classes);
  const float hit = (1 - terms.smoothing) * weight_of(terms.weights, label), sum = hit + share * float(totals[1]);
  for_each_pack_of<Walk>(team, classes, [&](std::int64_t c) {
    float v[Walk::width];
    load_floats<Walk::width>(probabilities.row(b) + c, v);
    for (int j = 0; j < Walk::width; ++j) {
      float target = c + j == label ? hit : 0.f;
      if (terms.smoothing > 0) target += share * weight_of(terms.weights, int(c + j));
      v[j] = scale * (sum * v[j] - target);
    }
    store_floats<Walk::width>(dlogits.row(b) + c, v);
  });
}

}  // namespace quern::inline QUERN_ABI::kernels
