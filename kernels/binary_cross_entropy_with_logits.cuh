/// Kernels of binary_cross_entropy_with_logits: what kernels/reduce.cuh and kernels/elementwise.cuh compute for it, and
/// a backward pass of its own for weights that differ from class to class.
#pragma once
#include "kernels/elementwise.cuh"
#include "kernels/losses.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// (1-y) x + w log(1 + e^-x), w = 1 + (p(c) - 1) y. log(1 + e^-x) = max(-x, 0) + log(1 + e^-|x|): nothing overflows.
template <class T>
struct BinaryCrossEntropy {
  const T* pos_weight;  // of each of `classes`, or null
  std::int64_t classes, n;
  Complaint complaint;

  __device__ __forceinline__ float operator()(std::int64_t i, float x, float y) const {
    if (!(y >= 0 && y <= 1))
      report_fault(complaint.fault, cuda::FaultKind::target, i, cuda::fault_value(double(y)), n, complaint.op);
    const float weight = 1 + (weight_at(i) - 1) * y;
    return (1 - y) * x + weight * (fmaxf(-x, 0.f) + log1pf(expf(-fabsf(x))));
  }
  __device__ __forceinline__ float weight_at(std::int64_t i) const {
    if (!pos_weight) return 1;
    const std::int64_t c = classes == 1 ? 0 : i % classes;
    const float weight = float(pos_weight[c]);
    if (!(weight >= 0 && weight < infinity))
      report_fault(complaint.fault, cuda::FaultKind::pos_weight, c, cuda::fault_value(double(weight)), classes,
                   complaint.op);
    return weight;
  }
};

/// dx = scale (1 - y - w σ(-x))
__device__ __forceinline__ float binary_slope(float scale, float x, float y, float pos_weight) {
  return scale * (1 - y - (1 + (pos_weight - 1) * y) / (1 + expf(x)));
}

/// Without weights, or with one for all.
template <class T>
struct BinaryCrossEntropyBackward {
  const T *dloss, *pos_weight;
  float factor;  // 1/n
  __device__ __forceinline__ float operator()(float x, float y) const {
    return binary_slope(float(*dloss) * factor, x, y, weight_of(pos_weight, 0));
  }
};

/// Grid and block: walk_launch, a team for each row of [B, C]; a weight for each column.
template <class T, class Walk>
__global__ void __launch_bounds__(Walk::most_threads, 1)
    binary_cross_entropy_backward(const T* dloss, float factor, View<const T, 2> logits, View<const T, 2> targets,
                                  const T* pos_weight, View<T, 2> dlogits) {
  const typename Walk::Team team(shared_memory<RowShared>().partial);
  const std::int64_t r = team.index();
  if (r >= dlogits.extent(0)) return;
  const float scale = float(*dloss) * factor;
  for_each_pack_of<Walk>(team, dlogits.extent(1), [&](std::int64_t c) {
    float x[Walk::width], y[Walk::width];
    load_floats<Walk::width>(logits.row(r) + c, x);
    load_floats<Walk::width>(targets.row(r) + c, y);
    for (int j = 0; j < Walk::width; ++j) x[j] = binary_slope(scale, x[j], y[j], float(pos_weight[c + j]));
    store_floats<Walk::width>(dlogits.row(r) + c, x);
  });
}

}  // namespace quern::inline QUERN_ABI::kernels
