/// Kernels of triplet_margin_loss: a team for each triplet walks through its three vectors.
#pragma once
#include "kernels/reduce.cuh"

namespace quern::inline QUERN_ABI::kernels {

template <class T>
struct Triplets {
  View<const T, 2> anchors, positives, negatives;
  float margin;
};
/// ‖a - p‖ and ‖a - n‖
struct Distances {
  float near, far;
};

/// All threads of the team call; valid in every one.
template <class Walk, class T>
__device__ __forceinline__ Distances distances_of(const typename Walk::Team& team, const Triplets<T>& of,
                                                  std::int64_t b) {
  float near = 0, far = 0;
  for_each_pack_of<Walk>(team, of.anchors.extent(1), [&](std::int64_t c) {
    float a[Walk::width], p[Walk::width], q[Walk::width];
    load_floats<Walk::width>(of.anchors.row(b) + c, a);
    load_floats<Walk::width>(of.positives.row(b) + c, p);
    load_floats<Walk::width>(of.negatives.row(b) + c, q);
    for (int j = 0; j < Walk::width; ++j) near += (a[j] - p[j]) * (a[j] - p[j]), far += (a[j] - q[j]) * (a[j] - q[j]);
  });
  return {sqrtf(team.sum(near)), sqrtf(team.sum(far))};
}

/// Grid and block: walk_launch, a team for each triplet. losses[b] = max(0, ‖a - p‖ - ‖a - n‖ + margin).
template <class T, class Walk>
__global__ void __launch_bounds__(Walk::most_threads) triplet_margin_loss(Triplets<T> of, float* losses) {
  const typename Walk::Team team(shared_memory<RowShared>().partial);
  const std::int64_t b = team.index();
  if (b >= of.anchors.extent(0)) return;
  const auto [near, far] = distances_of<Walk>(team, of, b);
  const float loss = near - far + of.margin;
  if (team.rank() == 0) losses[b] = loss < 0 ? 0.f : loss;  // NaN stays
}

/// Grid and block: walk_launch, a team for each triplet. Triplets that are apart by more than the margin get no
/// gradient; two equal vectors do not push each other.
template <class T, class Walk>
__global__ void __launch_bounds__(Walk::most_threads)
    triplet_margin_loss_backward(const T* dloss, float share, Triplets<T> of, View<T, 2> danchors,
                                 View<T, 2> dpositives, View<T, 2> dnegatives) {
  const typename Walk::Team team(shared_memory<RowShared>().partial);
  const std::int64_t b = team.index();
  if (b >= of.anchors.extent(0)) return;
  const auto [near, far] = distances_of<Walk>(team, of, b);
  const float scale = near - far + of.margin <= 0 ? 0.f : float(*dloss) * share;
  const float pull = near == 0 ? 0.f : scale / near, push = far == 0 ? 0.f : scale / far;
  for_each_pack_of<Walk>(team, of.anchors.extent(1), [&](std::int64_t c) {
    float a[Walk::width], p[Walk::width], q[Walk::width];
    load_floats<Walk::width>(of.anchors.row(b) + c, a);
    load_floats<Walk::width>(of.positives.row(b) + c, p);
    load_floats<Walk::width>(of.negatives.row(b) + c, q);
    for (int j = 0; j < Walk::width; ++j) {
      const float to_positive = pull * (a[j] - p[j]), to_negative = push * (a[j] - q[j]);
      a[j] = to_positive - to_negative, p[j] = -to_positive, q[j] = to_negative;
    }
    store_floats<Walk::width>(danchors.row(b) + c, a);
    store_floats<Walk::width>(dpositives.row(b) + c, p);
    store_floats<Walk::width>(dnegatives.row(b) + c, q);
  });
}

}  // namespace quern::inline QUERN_ABI::kernels
