/// Kernels of gru: the steps, once the inputs' part of the gates is there (a product of kernels/matmul.cuh).
#pragma once
#include "kernels/recurrent.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// Grid and block: a block for each text, a thread for each unit (kernels/recurrent.cuh). Shared memory: two states,
/// read and written in turn. gates hold x W_ihᵀ + b_ih and come to hold r, z, n; `weight` is W_hhᵀ.
template <class T>
__global__ void __launch_bounds__(1024)
    gru(View<T, 2> gates, const T* __restrict__ weight, View<const T, 1> bias, View<const std::int64_t, 1> offsets,
        bool reverse, View<T, 2> hidden, View<T, 2> y) {
  const TextOfBlock text(offsets, reverse);
  const int units = int(y.extent(1));
  float *h = &shared_memory<float>(), *next = h + units;
  for (int u = int(threadIdx.x); u < units; u += int(blockDim.x)) h[u] = 0;
  __syncthreads();
  for (std::int64_t t = 0; t < text.rows; ++t) {
    const std::int64_t row = text.row(t);
    T* gate = gates.row(row);
    for (int u = int(threadIdx.x); u < units; u += int(blockDim.x)) {
      float sum[3];
      for (int g = 0; g < 3; ++g) sum[g] = float(bias(g * units + u));
      add_state(h, weight, units, u, sum);
      const float r = logistic<T>(float(gate[u]) + sum[0]), z = logistic<T>(float(gate[units + u]) + sum[1]);
      const float n = tanhf(float(gate[2 * units + u]) + r * sum[2]), state = n + z * (h[u] - n);
      gate[u] = T(r), gate[units + u] = T(z), gate[2 * units + u] = T(n);
      next[u] = state;
      hidden(row, u) = T(sum[2]), y(row, u) = T(state);
    }
    __syncthreads();  // the next state is whole, and no thread reads the old one any more
    float* const old = h;
    h = next, next = old;
  }
}

/// Grid and block as of gru. Shared memory: the gradients of the gates of two steps, written and read in turn, and dh.
/// `weight` is W_hh.
template <class T>
__global__ void __launch_bounds__(1024)
    gru_backward(View<const T, 2> dy, View<const T, 2> gates, View<const T, 2> hidden, View<const T, 2> y,
                 const T* __restrict__ weight, View<const std::int64_t, 1> offsets, bool reverse, View<T, 2> dinput,
                 View<T, 2> dhidden) {
  const TextOfBlock text(offsets, reverse);
  const int units = int(dy.extent(1));
  float *flow = &shared_memory<float>(), *later = flow + 3 * units, *dh = later + 3 * units;
  for (int u = int(threadIdx.x); u < units; u += int(blockDim.x)) dh[u] = 0;
  for (std::int64_t t = text.rows - 1; t >= 0; --t) {
    const std::int64_t row = text.row(t);
    const T* gate = gates.row(row);
    for (int u = int(threadIdx.x); u < units; u += int(blockDim.x)) {
      float d = float(dy(row, u)) + dh[u];
      if (t + 1 < text.rows) d += flow_to_state(later, weight, 3 * units, units, u);
      const float r = float(gate[u]), z = float(gate[units + u]), n = float(gate[2 * units + u]);
      const float before = t > 0 ? float(y(text.row(t - 1), u)) : 0.f;
      dh[u] = d * z;
      const float dn = d * (1.f - z) * (1.f - n * n);
      const float dr = dn * float(hidden(row, u)) * r * (1.f - r), dz = d * (before - n) * z * (1.f - z);
      flow[u] = dr, flow[units + u] = dz, flow[2 * units + u] = dn * r;
      dinput(row, u) = T(dr), dinput(row, units + u) = T(dz), dinput(row, 2 * units + u) = T(dn);
      for (int g = 0; g < 3; ++g) dhidden(row, g * units + u) = T(flow[g * units + u]);
    }
    __syncthreads();
    float* const old = later;
    later = flow, flow = old;
  }
}

}  // namespace quern::inline QUERN_ABI::kernels
