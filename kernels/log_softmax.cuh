/// Kernels of log_softmax over rows, as those of softmax: each reads its row once, the plain ones in every pass.
#pragma once
#include "kernels/rows.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// Grid and block: row_launch, a team for each row. y = x - m - ln Σ e^(x - m), m the largest element.
template <class T, class Plan>
__global__ void __launch_bounds__(Plan::most_threads) log_softmax(View<const T, 2> x, View<T, 2> y) {
  const typename Plan::Team team(shared_memory<RowShared>().partial);
  const std::int64_t r = team.index();
  const int n = int(x.extent(1));
  if (r >= x.extent(0)) return;
  float v[Plan::elements];
  load_row<Plan>(team, x.row(r), n, v, -infinity);
  const float largest = team.max(largest_of(v));
  float sum = 0;
  for (float& e : v) {
    e -= largest;
    sum += exp_below_one(e);
  }
  const float log_sum = logf(team.sum(sum));
  for (float& e : v) e -= log_sum;
  store_row<Plan>(team, y.row(r), n, v);
}

/// Grid and block: row_launch, a team for each row. dx = dy - e^y Σ_c dy.
template <class T, class Plan>
__global__ void __launch_bounds__(Plan::most_threads)
    log_softmax_backward(View<const T, 2> dy, View<const T, 2> y, View<T, 2> dx) {
  const typename Plan::Team team(shared_memory<RowShared>().partial);
  const std::int64_t r = team.index();
  const int n = int(y.extent(1));
  if (r >= y.extent(0)) return;
  float g[Plan::elements], l[Plan::elements];
  load_row<Plan>(team, dy.row(r), n, g, 0);
  load_row<Plan>(team, y.row(r), n, l, 0);
  const float sum = team.sum(sum_of(g));
  for (int i = 0; i < Plan::elements; ++i) g[i] -= exp_below_one(l[i]) * sum;
  store_row<Plan>(team, dx.row(r), n, g);
}

/// Grid: a block for each row; any block of whole warps.
template <class T>
__global__ void __launch_bounds__(256) log_softmax_plain(View<const T, 2> x, View<T, 2> y) {
  const BlockTeam team(shared_memory<RowShared>().partial);
  const std::int64_t n = x.extent(1);
  const T* row = x.row(blockIdx.x);
  float largest = -infinity, sum = 0;
  for_each_column_of(team, n, [&](std::int64_t c) { largest = fmaxf(largest, float(row[c])); });
  largest = team.max(largest);
  for_each_column_of(team, n, [&](std::int64_t c) { sum += exp_below_one(float(row[c]) - largest); });
  const float log_sum = logf(team.sum(sum));
  for_each_column_of(team, n, [&](std::int64_t c) { y.row(blockIdx.x)[c] = T(float(row[c]) - largest - log_sum); });
}

/// Grid: a block for each row; any block of whole warps.
template <class T>
__global__ void __launch_bounds__(256)
    log_softmax_backward_plain(View<const T, 2> dy, View<const T, 2> y, View<T, 2> dx) {
  const BlockTeam team(shared_memory<RowShared>().partial);
  const std::int64_t n = y.extent(1);
  const T *g = dy.row(blockIdx.x), *l = y.row(blockIdx.x);
  float sum = 0;
  for_each_column_of(team, n, [&](std::int64_t c) { sum += float(g[c]); });
  sum = team.sum(sum);
  for_each_column_of(
      team, n, [&](std::int64_t c) { dx.row(blockIdx.x)[c] = T(float(g[c]) - exp_below_one(float(l[c])) * sum); });
}

}  // namespace quern::inline QUERN_ABI::kernels
