/// Kernels of lstm: the steps, once the inputs' part of the gates is there (a product of kernels/matmul.cuh).
#pragma once
#include "kernels/recurrent.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// Grid and block: a block for each text, a thread for each unit (kernels/recurrent.cuh). Shared memory: two states,
/// read and written in turn, and the cells. gates hold x W_ihᵀ + b_ih and come to hold i, f, g, o; `weight` is W_hhᵀ.
template <class T>
__global__ void __launch_bounds__(1024)
    lstm(View<T, 2> gates, const T* __restrict__ weight, View<const T, 1> bias, View<const std::int64_t, 1> offsets,
         bool reverse, View<float, 2> cells, View<T, 2> y) {
  const TextOfBlock text(offsets, reverse);
  const int units = int(y.extent(1));
  float *h = &shared_memory<float>(), *next = h + units, *c = next + units;
  for (int u = int(threadIdx.x); u < units; u += int(blockDim.x)) h[u] = 0, c[u] = 0;
  __syncthreads();
  for (std::int64_t t = 0; t < text.rows; ++t) {
    const std::int64_t row = text.row(t);
    T* gate = gates.row(row);
    for (int u = int(threadIdx.x); u < units; u += int(blockDim.x)) {
      float sum[4];
      for (int g = 0; g < 4; ++g) sum[g] = float(bias(g * units + u));
      add_state(h, weight, units, u, sum);
      for (int g = 0; g < 4; ++g) sum[g] += float(gate[g * units + u]);
      const float i = logistic<T>(sum[0]), f = logistic<T>(sum[1]), g = tanhf(sum[2]), o = logistic<T>(sum[3]);
      const float cell = f * c[u] + i * g, state = o * tanhf(cell);
      gate[u] = T(i), gate[units + u] = T(f), gate[2 * units + u] = T(g), gate[3 * units + u] = T(o);
      c[u] = cell, next[u] = state;
      cells(row, u) = cell, y(row, u) = T(state);
    }
    __syncthreads();  // the next state is whole, and no thread reads the old one any more
    float* const old = h;
    h = next, next = old;
  }
}

/// Grid and block as of lstm. Shared memory: the gradients of the gates of two steps, written and read in turn, and dc.
/// `weight` is W_hh.
template <class T>
__global__ void __launch_bounds__(1024)
    lstm_backward(View<const T, 2> dy, View<const T, 2> gates, View<const float, 2> cells, const T* __restrict__ weight,
                  View<const std::int64_t, 1> offsets, bool reverse, View<T, 2> dgates) {
  const TextOfBlock text(offsets, reverse);
  const int units = int(dy.extent(1));
  float *flow = &shared_memory<float>(), *later = flow + 4 * units, *dc = later + 4 * units;
  for (int u = int(threadIdx.x); u < units; u += int(blockDim.x)) dc[u] = 0;
  for (std::int64_t t = text.rows - 1; t >= 0; --t) {
    const std::int64_t row = text.row(t);
    const T* gate = gates.row(row);
    for (int u = int(threadIdx.x); u < units; u += int(blockDim.x)) {
      float dh = float(dy(row, u));
      if (t + 1 < text.rows) dh += flow_to_state(later, weight, 4 * units, units, u);
      const float i = float(gate[u]), f = float(gate[units + u]), g = float(gate[2 * units + u]),
                  o = float(gate[3 * units + u]);
      const float tanh_c = tanhf(cells(row, u)), before = t > 0 ? cells(text.row(t - 1), u) : 0.f;
      const float d = dc[u] + dh * o * (1.f - tanh_c * tanh_c);
      dc[u] = d * f;
      const float da[4] = {d * g * i * (1.f - i), d * before * f * (1.f - f), d * i * (1.f - g * g),
                           dh * tanh_c * o * (1.f - o)};
      for (int k = 0; k < 4; ++k) {
        flow[k * units + u] = da[k];
        dgates(row, k * units + u) = T(da[k]);
      }
    }
    __syncthreads();
    float* const old = later;
    later = flow, flow = old;
  }
}

}  // namespace quern::inline QUERN_ABI::kernels
