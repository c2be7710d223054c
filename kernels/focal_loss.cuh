/// Kernels of focal_loss: the forward pass reads the logits once, into registers.
#pragma once
#include "kernels/losses.cuh"

namespace quern::inline QUERN_ABI::kernels {

template <class T>
struct FocalTerms {
  View<const std::int32_t, 1> labels;
  const T* alpha;  // [C], or null: all 1
  float gamma;
};
/// What is written for each text.
struct FocalResults {
  View<float, 2> probabilities;
  float *losses, *weights;
  double* slopes;
};

/// With e^(x - m) of the label, `right`, and of all others, `wrong`: 1 - p = wrong / sum without cancellation, and
/// where the label has the largest logit log p = -log(1 + wrong) without it too. One thread calls.
template <class T>
__device__ __forceinline__ void store_focal(const FocalTerms<T>& terms, std::int64_t b, int label, float below,
                                            float right, float wrong, const FocalResults& results) {
  const float sum = right + wrong, p = right / sum, q = wrong / sum, weight = weight_of(terms.alpha, label);
  const float log_p = below == 0 ? -log1pf(wrong) : below - logf(sum);
  const float factor = powf(q, terms.gamma);
  // q → 0: log p → -q, which wins over q^(γ-1)
  const float bend = q == 0 ? 0.f : terms.gamma * powf(q, terms.gamma - 1) * p * log_p;
  results.losses[b] = -weight * factor * log_p;
  results.weights[b] = weight;
  results.slopes[b] = double(weight * (bend - factor));
}

/// Grid and block: row_launch, a team for each text.
template <class T, class Plan>
__global__ void __launch_bounds__(Plan::most_threads)
    focal_loss(View<const T, 2> logits, FocalTerms<T> terms, FocalResults results, Complaint complaint) {
  const typename Plan::Team team(shared_memory<RowShared>().partial);
  const std::int64_t b = team.index();
  const int classes = int(logits.extent(1));
  if (b >= logits.extent(0)) return;
  const int label = label_of(terms.labels, b, classes, team.rank() == 0, complaint);
  float v[Plan::elements];
  load_row<Plan>(team, logits.row(b), classes, v, -infinity);
  const float largest = team.max(largest_of(v));
  float wrong = 0;
  for_each_column<Plan>(team, classes, [&](int i, int c) {
    v[i] = expf(v[i] - largest);
    if (c != label) wrong += v[i];
  });
  wrong = team.sum(wrong);
  const float below = float(logits(b, label)) - largest, right = expf(below);
  if (team.rank() == 0) store_focal(terms, b, label, below, right, wrong, results);
  const float scale = 1 / (right + wrong);
  for (float& e : v) e *= scale;
  store_row<Plan>(team, results.probabilities.row(b), classes, v);
}

/// Grid: a block for each text; any block of whole warps.
template <class T>
__global__ void __launch_bounds__(256)
    focal_loss_plain(View<const T, 2> logits, FocalTerms<T> terms, FocalResults results, Complaint complaint) {
  const BlockTeam team(shared_memory<RowShared>().partial);
  const std::int64_t b = blockIdx.x, classes = logits.extent(1);
  const int label = label_of(terms.labels, b, int(classes), team.rank() == 0, complaint);
  const T* x = logits.row(b);
  float largest = -infinity, wrong = 0;
  for_each_column_of(team, classes, [&](std::int64_t c) { largest = fmaxf(largest, float(x[c])); });
  largest = team.max(largest);
  for_each_column_of(team, classes, [&](std::int64_t c) {
    if (c != label) wrong += expf(float(x[c]) - largest);
  });
  wrong = team.sum(wrong);
  const float below = float(x[label]) - largest, right = expf(below);
  if (team.rank() == 0) store_focal(terms, b, label, below, right, wrong, results);
  for_each_column_of(team, classes, [&](std::int64_t c) {
    results.probabilities(b, c) = expf(float(x[c]) - largest) * (1 / (right + wrong));
  });
}

/// Grid and block: walk_launch, a team for each text. dx(b, c) = dloss · slope(b) · ([c = y] - p(b, c)).
template <class T, class Walk>
__global__ void __launch_bounds__(Walk::most_threads)
    focal_loss_backward(const T* dloss, View<const float, 2> probabilities, View<const std::int32_t, 1> labels,
                        View<const double, 1> slopes, View<T, 2> dlogits) {
  const typename Walk::Team team(shared_memory<RowShared>().partial);
  const std::int64_t b = team.index();
  if (b >= dlogits.extent(0)) return;
  const float scale = float(double(*dloss) * slopes(b));
  const int label = labels(b);
  for_each_pack_of<Walk>(team, dlogits.extent(1), [&](std::int64_t c) {
    float v[Walk::width];
    load_floats<Walk::width>(probabilities.row(b) + c, v);
    for (int j = 0; j < Walk::width; ++j) v[j] = scale * ((c + j == label ? 1.f : 0.f) - v[j]);
    store_floats<Walk::width>(dlogits.row(b) + c, v);
  });
}

}  // namespace quern::inline QUERN_ABI::kernels
