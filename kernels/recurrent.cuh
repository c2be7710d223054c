/// What the kernels of lstm and gru share: how a text is walked, and the product of its state with the weight of all
/// gates.
///
/// A block has a text and takes all its steps, so nothing but the block's own barriers orders them: one launch, no
/// list of lengths on the host, and a text's bits depend on no other. A thread has a unit and all its gates; where
/// there are more units than threads it has several, one after another. Every step reads the weight anew, from the
/// second-level cache.
#pragma once
#include <quern/tensor/view.hpp>

#include "kernels/activations.cuh"
#include "kernels/device/memory.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// The rows of the block's text in the order in which they are walked.
struct TextOfBlock {
  std::int64_t first, rows, step;
  __device__ __forceinline__ TextOfBlock(View<const std::int64_t, 1> offsets, bool reverse)
      : first(offsets(blockIdx.x)), rows(offsets(blockIdx.x + 1) - first), step(reverse ? -1 : 1) {
    if (reverse) first += rows - 1;
  }
  __device__ __forceinline__ std::int64_t row(std::int64_t t) const { return first + t * step; }
};

/// sum[g] += Σ_k state[k] weight(k, g · units + u), k in order; `weight` [units, gates · units] is W_hhᵀ: neighbouring
/// threads read neighbouring elements. `state` is in shared memory.
template <int gates, class T>
__device__ __forceinline__ void add_state(const float* state, const T* weight, int units, int u, float (&sum)[gates]) {
  const T* w = weight + u;
  for (int k = 0; k < units; ++k, w += gates * units)
    for (int g = 0; g < gates; ++g) sum[g] += state[k] * float(w[g * units]);
}

/// Σ_k flow[k] weight(k, u), k < depth in order; `weight` [depth, units] is W_hh. `flow` is in shared memory.
template <class T>
__device__ __forceinline__ float flow_to_state(const float* flow, const T* weight, int depth, int units, int u) {
  float sum = 0;
  const T* w = weight + u;
  for (int k = 0; k < depth; ++k, w += units) sum += flow[k] * float(*w);
  return sum;
}

/// before(row) = y of the row that is walked before it; 0 where a text begins. Grid: a block for each text; its threads
/// have the elements of its rows in turn.
template <class T>
__global__ void __launch_bounds__(256)
    rows_before(View<const T, 2> y, View<const std::int64_t, 1> offsets, bool reverse, View<T, 2> before) {
  const TextOfBlock text(offsets, reverse);
  const std::int64_t units = y.extent(1);
  for (std::int64_t i = threadIdx.x; i < text.rows * units; i += blockDim.x) {
    const std::int64_t t = i / units, u = i % units;
    before(text.row(t), u) = t > 0 ? y(text.row(t - 1), u) : T(0.f);
  }
}

}  // namespace quern::inline QUERN_ABI::kernels
