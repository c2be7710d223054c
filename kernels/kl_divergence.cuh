/// Kernels of kl_divergence, by kernels/reduce.cuh and kernels/elementwise.cuh, and of kl_divergence_with_logits, which
/// reads both rows once, into registers.
#pragma once
#include "kernels/elementwise.cuh"
#include "kernels/losses.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// t (log t - x). A target of 0 costs nothing, but a NaN beside it is not hidden: 0 log 0 is NaN.
struct KlDivergence {
  std::int64_t classes;
  Complaint complaint;
  __device__ __forceinline__ float operator()(std::int64_t i, float x, float t) const {
    if (!(t >= 0 && t <= 1.001f))
      report_fault(complaint.fault, cuda::FaultKind::probability, i, cuda::fault_value(double(t)), classes,
                   complaint.op);
    return t > 0 || x != x ? t * (logf(t) - x) : 0.f;
  }
};
/// dx = dloss · factor · t
template <class T>
struct KlDivergenceBackward {
  const T* dloss;
  float factor;
  __device__ __forceinline__ float operator()(float t) const { return float(*dloss) * factor * t; }
};

/// Grid and block: row_launch, a team for each text. With a = (x - max x)/τ - log Σ e^… = log softmax(x/τ), and c the
/// same of the target: losses[b] = Σ e^c (c - a), difference = e^a - e^c.
template <class T, class Plan>
__global__ void __launch_bounds__(Plan::most_threads, 1)
    kl_divergence_with_logits(View<const T, 2> logits, View<const T, 2> target_logits, float temperature,
                              View<float, 2> difference, float* losses) {
  const typename Plan::Team team(shared_memory<RowShared>().partial);
  const std::int64_t b = team.index();
  const int n = int(logits.extent(1));
  if (b >= logits.extent(0)) return;
  float a[Plan::elements], t[Plan::elements];
  load_row<Plan>(team, logits.row(b), n, a, -infinity);
  load_row<Plan>(team, target_logits.row(b), n, t, -infinity);
  const float largest = team.max(largest_of(a)), target_largest = team.max(largest_of(t));
  float sum = 0, target_sum = 0;
  for (int i = 0; i < Plan::elements; ++i) {
    a[i] = (a[i] - largest) / temperature, t[i] = (t[i] - target_largest) / temperature;
    sum += exp_below_one(a[i]), target_sum += exp_below_one(t[i]);
  }
  const float log_sum = logf(team.sum(sum)), target_log_sum = logf(team.sum(target_sum));
  float loss = 0;
  for_each_column<Plan>(team, n, [&](int i, int) {
    const float log_p = a[i] - log_sum, log_t = t[i] - target_log_sum, p = exp_below_one(log_t);
    loss += p * (log_t - log_p);
    a[i] = exp_below_one(log_p) - p;
  });
  loss = team.sum(loss);
  if (team.rank() == 0) losses[b] = loss;
  store_row<Plan>(team, difference.row(b), n, a);
}

/// Grid: a block for each text; any block of whole warps.
template <class T>
__global__ void __launch_bounds__(256)
    kl_divergence_with_logits_plain(View<const T, 2> logits, View<const T, 2> target_logits, float temperature,
                                    View<float, 2> difference, float* losses) {
  const BlockTeam team(shared_memory<RowShared>().partial);
  const std::int64_t b = blockIdx.x, n = logits.extent(1);
  float largest[2] = {-infinity, -infinity}, sum[2] = {};
  const T* rows[2] = {logits.row(b), target_logits.row(b)};
  for (int k = 0; k < 2; ++k) {
    for_each_column_of(team, n, [&](std::int64_t c) { largest[k] = fmaxf(largest[k], float(rows[k][c])); });
    largest[k] = team.max(largest[k]);
    for_each_column_of(
        team, n, [&](std::int64_t c) { sum[k] += exp_below_one((float(rows[k][c]) - largest[k]) / temperature); });
    sum[k] = logf(team.sum(sum[k]));
  }
  float loss = 0;
  for_each_column_of(team, n, [&](std::int64_t c) {
    const float log_p = (float(rows[0][c]) - largest[0]) / temperature - sum[0];
    const float log_t = (float(rows[1][c]) - largest[1]) / temperature - sum[1], p = exp_below_one(log_t);
    loss += p * (log_t - log_p);
    difference(b, c) = exp_below_one(log_p) - p;
  });
  loss = team.sum(loss);
  if (team.rank() == 0) losses[b] = loss;
}

/// Grid and block: walk_launch, a team for each text. dlogits = dloss · factor · difference.
template <class T, class Walk>
__global__ void __launch_bounds__(Walk::most_threads)
    kl_divergence_with_logits_backward(const T* dloss, float factor, View<const float, 2> difference,
                                       View<T, 2> dlogits) {
  const typename Walk::Team team(shared_memory<RowShared>().partial);
  const std::int64_t b = team.index();
  if (b >= dlogits.extent(0)) return;
  const float scale = float(*dloss) * factor;
  for_each_pack_of<Walk>(team, dlogits.extent(1), [&](std::int64_t c) {
    float v[Walk::width];
    load_floats<Walk::width>(difference.row(b) + c, v);
    for (float& e : v) e *= scale;
    store_floats<Walk::width>(dlogits.row(b) + c, v);
  });
}

}  // namespace quern::inline QUERN_ABI::kernels
