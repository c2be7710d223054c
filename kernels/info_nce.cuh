/// Kernels of info_nce that are its own: a team for each row walks through it.
#pragma once
#include "kernels/rows.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// Grid and block: walk_launch, a team for each row. y = s x/‖x‖; a row of zeros stays zeros.
template <class T, class Walk>
__global__ void __launch_bounds__(Walk::most_threads)
    unit_rows(View<const T, 2> x, float s, View<float, 2> y, View<double, 1> norms) {
  const typename Walk::Team team(shared_memory<RowShared>().partial);
  const std::int64_t b = team.index();
  if (b >= x.extent(0)) return;
  float sum = 0, v[Walk::width];
  for_each_pack_of<Walk>(team, x.extent(1), [&](std::int64_t c) {
    load_floats<Walk::width>(x.row(b) + c, v);
    for (float e : v) sum += e * e;
  });
  const float norm = sqrtf(team.sum(sum)), scale = norm == 0 ? 0.f : s / norm;
  if (team.rank() == 0) norms(b) = double(norm);
  for_each_pack_of<Walk>(team, x.extent(1), [&](std::int64_t c) {
    load_floats<Walk::width>(x.row(b) + c, v);
    for (float& e : v) e *= scale;
    store_floats<Walk::width>(y.row(b) + c, v);
  });
}

/// Grid and block: walk_launch, a team for each row. dx = s/‖x‖ (dy - u (u · dy)) with u = y/s; 0 for a row of zeros.
template <class T, class Walk>
__global__ void __launch_bounds__(Walk::most_threads)
    unit_rows_backward(View<const float, 2> dy, View<const float, 2> y, View<const double, 1> norms, float s,
                       View<T, 2> dx) {
  const typename Walk::Team team(shared_memory<RowShared>().partial);
  const std::int64_t b = team.index();
  if (b >= y.extent(0)) return;
  float along = 0, g[Walk::width], v[Walk::width];
  for_each_pack_of<Walk>(team, y.extent(1), [&](std::int64_t c) {
    load_floats<Walk::width>(dy.row(b) + c, g);
    load_floats<Walk::width>(y.row(b) + c, v);
    for (int j = 0; j < Walk::width; ++j) along += g[j] * v[j];
  });
  along = team.sum(along) / (s * s);
  const float norm = float(norms(b)), scale = norm == 0 ? 0.f : s / norm;
  for_each_pack_of<Walk>(team, y.extent(1), [&](std::int64_t c) {
    load_floats<Walk::width>(dy.row(b) + c, g);
    load_floats<Walk::width>(y.row(b) + c, v);
    for (int j = 0; j < Walk::width; ++j) g[j] = scale * (g[j] - along * v[j]);
    store_floats<Walk::width>(dx.row(b) + c, g);
  });
}

/// Grid and block: walk_launch, a team for each row. y = s x.
template <class X, class Y, class Walk>
__global__ void __launch_bounds__(Walk::most_threads) scale_rows(View<const X, 2> x, float s, View<Y, 2> y) {
  const typename Walk::Team team(shared_memory<RowShared>().partial);
  const std::int64_t b = team.index();
  if (b >= x.extent(0)) return;
  for_each_pack_of<Walk>(team, x.extent(1), [&](std::int64_t c) {
    float v[Walk::width];
    load_floats<Walk::width>(x.row(b) + c, v);
    for (float& e : v) e *= s;
    store_floats<Walk::width>(y.row(b) + c, v);
  });
}

/// Grid: enough blocks of 256 for a thread each. ids[i] = i.
template <class Id>
__global__ void __launch_bounds__(256) count_up(View<Id, 1> ids) {
  const std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < ids.extent(0)) ids(i) = Id(i);
}

}  // namespace quern::inline QUERN_ABI::kernels
