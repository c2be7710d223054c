/// Kernels of softmax over rows. Each reads its row once, into registers; see kernels/rows.cuh for who holds what. The
/// plain ones, which read it again in every pass, are for rows of any length, and what the others are tested against.
#pragma once
#include "kernels/rows.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// Grid and block: row_launch, a team for each row. y = e^(x - m) / Σ e^(x - m), m the largest element.
template <class T, class Plan>
__global__ void __launch_bounds__(Plan::most_threads) softmax(View<const T, 2> x, View<T, 2> y) {
  const typename Plan::Team team(shared_memory<RowShared>().partial);
  const std::int64_t r = team.index();
  const int n = int(x.extent(1));
  if (r >= x.extent(0)) return;
  float v[Plan::elements];
  load_row<Plan>(team, x.row(r), n, v, -infinity);
  const float largest = team.max(largest_of(v));
  for (float& e : v) e = exp_below_one(e - largest);
  const float scale = 1 / team.sum(sum_of(v));
  for (float& e : v) e *= scale;
  store_row<Plan>(team, y.row(r), n, v);
}

/// Grid and block: row_launch, a team for each row. dx = y · (dy - Σ_c dy y).
template <class T, class Plan>
__global__ void __launch_bounds__(Plan::most_threads)
    softmax_backward(View<const T, 2> dy, View<const T, 2> y, View<T, 2> dx) {
  const typename Plan::Team team(shared_memory<RowShared>().partial);
  const std::int64_t r = team.index();
  const int n = int(y.extent(1));
  if (r >= y.extent(0)) return;
  float g[Plan::elements], p[Plan::elements];
  load_row<Plan>(team, dy.row(r), n, g, 0);
  load_row<Plan>(team, y.row(r), n, p, 0);
  float sum = 0;
  for (int i = 0; i < Plan::elements; ++i) sum += g[i] * p[i];
  sum = team.sum(sum);
  for (int i = 0; i < Plan::elements; ++i) g[i] = p[i] * (g[i] - sum);
  store_row<Plan>(team, dx.row(r), n, g);
}

/// Grid: a block for each row; any block of whole warps.
template <class T>
__global__ void __launch_bounds__(256) softmax_plain(View<const T, 2> x, View<T, 2> y) {
  const BlockTeam team(shared_memory<RowShared>().partial);
  const std::int64_t n = x.extent(1);
  const T* row = x.row(blockIdx.x);
  float largest = -infinity, sum = 0;
  for_each_column_of(team, n, [&](std::int64_t c) { largest = fmaxf(largest, float(row[c])); });
  largest = team.max(largest);
  for_each_column_of(team, n, [&](std::int64_t c) { sum += exp_below_one(float(row[c]) - largest); });
  const float scale = 1 / team.sum(sum);
  for_each_column_of(team, n,
                     [&](std::int64_t c) { y.row(blockIdx.x)[c] = T(exp_below_one(float(row[c]) - largest) * scale); });
}

/// Grid: a block for each row; any block of whole warps.
template <class T>
__global__ void __launch_bounds__(256) softmax_backward_plain(View<const T, 2> dy, View<const T, 2> y, View<T, 2> dx) {
  const BlockTeam team(shared_memory<RowShared>().partial);
  const std::int64_t n = y.extent(1);
  const T *g = dy.row(blockIdx.x), *p = y.row(blockIdx.x);
  float sum = 0;
  for_each_column_of(team, n, [&](std::int64_t c) { sum += float(g[c]) * float(p[c]); });
  sum = team.sum(sum);
  for_each_column_of(team, n, [&](std::int64_t c) { dx.row(blockIdx.x)[c] = T(float(p[c]) * (float(g[c]) - sum)); });
}

}  // namespace quern::inline QUERN_ABI::kernels
