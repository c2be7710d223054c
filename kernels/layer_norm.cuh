/// Kernels of layer_norm, and of layer_norm_residual, which differs in where a row comes from and where its gradient
/// goes: `Input` and `Output` say so, here of x alone, in layer_norm_residual.cuh of a sum.
///
/// A row is read once, into registers, and its sums are taken there. The gradients of weight and bias are sums over
/// rows: each team adds up those of its own rows in registers, a block adds its teams in order, and sum_pieces adds the
/// blocks in order. How many blocks there are depends on the shape alone.
#pragma once
#include "kernels/rows.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// Rows of x.
template <class T>
struct PlainInput {
  View<const T, 2> x;
  /// This thread's part of row r; 0 in the places beyond it. Gives what Output needs for it: nothing.
  template <class Plan>
  __device__ __forceinline__ unsigned load(const typename Plan::Team& team, std::int64_t r,
                                           float (&v)[Plan::elements]) const {
    load_row<Plan>(team, x.row(r), int(x.extent(1)), v, 0);
    return 0;
  }
  __device__ __forceinline__ float operator()(std::int64_t r, std::int64_t c) const { return float(x(r, c)); }
};
template <class T>
struct PlainOutput {
  View<T, 2> dx;
  template <class Plan>
  __device__ __forceinline__ void store(const typename Plan::Team& team, std::int64_t r, float (&v)[Plan::elements],
                                        unsigned) const {
    store_row<Plan>(team, dx.row(r), int(dx.extent(1)), v);
  }
  __device__ __forceinline__ void operator()(std::int64_t r, std::int64_t c, float v) const { dx(r, c) = T(v); }
};

/// Grid and block: row_launch, a team for each row. y = (x - mean) · rstd · weight + bias; rank 0 stores mean and rstd.
template <class T, class Plan, class Input>
__global__ void __launch_bounds__(Plan::most_threads, 1)
    layer_norm(Input x, View<const T, 1> weight, View<const T, 1> bias, float eps, View<T, 2> y, float* mean,
               float* rstd) {
  const typename Plan::Team team(shared_memory<RowShared>().partial);
  const std::int64_t r = team.index();
  const int n = int(y.extent(1));
  if (r >= y.extent(0)) return;
  float v[Plan::elements];
  x.template load<Plan>(team, r, v);
  const float m = team.sum(sum_of(v)) / float(n);
  float squares = 0;
  for_each_column<Plan>(team, n, [&](int i, int) {
    v[i] -= m;
    squares += v[i] * v[i];
  });
  const float s = 1 / sqrtf(team.sum(squares) / float(n) + eps);
  for_each_pack<Plan>(team, n, [&](int i, int c) {
    float w[Plan::width], b[Plan::width];
    load_floats<Plan::width>(weight.data + c, w);
    load_floats<Plan::width>(bias.data + c, b);
    for (int j = 0; j < Plan::width; ++j) v[i + j] = v[i + j] * s * w[j] + b[j];
    store_floats<Plan::width>(y.row(r) + c, v + i);
  });
  if (team.rank() == 0) mean[r] = m, rstd[r] = s;
}

/// What the warps of a block found for two gradients; a block that is one team needs none of it.
template <class Plan>
struct NormBackwardShared {
  static constexpr bool teams_are_warps = std::is_same_v<typename Plan::Team, WarpTeam>;
  static constexpr int warps = teams_are_warps ? Plan::most_threads / warp_size : 1;
  static constexpr int columns = teams_are_warps ? warp_size * Plan::elements : 4;
  float partial[32];
  float sums[warps][2][columns];
};

/// Adds up what the teams of a block found for dweight and dbias, in their order, and stores it as this block's piece:
/// of `pieces` [2, pieces, n]. All threads of the block call.
template <class Plan>
__device__ __forceinline__ void store_piece(const typename Plan::Team& team, NormBackwardShared<Plan>& s, int n,
                                            const float (&dw)[Plan::elements], const float (&db)[Plan::elements],
                                            float* pieces QUERN_CALLER) {
  using Shared = NormBackwardShared<Plan>;
  float* of_weight = pieces + std::int64_t(blockIdx.x) * n;
  float* of_bias = of_weight + std::int64_t(gridDim.x) * n;
  if constexpr (Shared::teams_are_warps) {
    store_row<Plan>(team, s.sums[warp_of_thread()][0], n, dw);
    store_row<Plan>(team, s.sums[warp_of_thread()][1], n, db);
    QUERN_SYNCTHREADS;
    for (int c = int(threadIdx.x); c < n; c += int(blockDim.x)) {
      float weight = s.sums[0][0][c], bias = s.sums[0][1][c];
      for (int w = 1; w < Shared::warps; ++w) weight += s.sums[w][0][c], bias += s.sums[w][1][c];
      of_weight[c] = weight, of_bias[c] = bias;
    }
  } else {
    store_row<Plan>(team, of_weight, n, dw);
    store_row<Plan>(team, of_bias, n, db);
  }
}

/// Grid: a piece for each block, at most a team for each row. Team t takes rows t, t + teams, … With h = (x - mean) ·
/// rstd and g = dy · weight: dx = rstd (g - (Σ g + h Σ g h) / n); Σ dy · h and Σ dy of the block's rows go to `pieces`.
template <class T, class Plan, class Input, class Output>
__global__ void __launch_bounds__(Plan::most_threads, 1)
    layer_norm_backward(View<const T, 2> dy, Input x, View<const T, 1> weight, const float* mean, const float* rstd,
                        Output dx, float* pieces) {
  auto& shared = shared_memory<NormBackwardShared<Plan>>();
  const typename Plan::Team team(shared.partial);
  const int n = int(dy.extent(1));
  float dw[Plan::elements] = {}, db[Plan::elements] = {};
  for (std::int64_t r = team.index(); r < dy.extent(0); r += team.count()) {
    float h[Plan::elements], g[Plan::elements];
    load_row<Plan>(team, dy.row(r), n, g, 0);
    const unsigned kept = x.template load<Plan>(team, r, h);
    const float m = mean[r], s = rstd[r];
    float sum_g = 0, sum_gh = 0;
    for_each_pack<Plan>(team, n, [&](int i, int c) {
      float w[Plan::width];
      load_floats<Plan::width>(weight.data + c, w);
      for (int j = 0; j < Plan::width; ++j) {
        const float d = g[i + j];
        h[i + j] = (h[i + j] - m) * s;
        dw[i + j] += d * h[i + j];
        db[i + j] += d;
        g[i + j] = d * w[j];
        sum_g += g[i + j];
        sum_gh += g[i + j] * h[i + j];
      }
    });
    const float mean_g = team.sum(sum_g) / float(n), mean_gh = team.sum(sum_gh) / float(n);
    for (int i = 0; i < Plan::elements; ++i) g[i] = s * (g[i] - mean_g - h[i] * mean_gh);
    dx.template store<Plan>(team, r, g, kept);
  }
  store_piece<Plan>(team, shared, n, dw, db, pieces);
}

/// Grid: 2 · ⌈n/32⌉ blocks of 32 × 16 threads, first those of dweight, then those of dbias. Thread (i, j) adds pieces
/// j, j + 16, … of column i; the first 32 threads add those sixteen in order.
template <class T>
__global__ void __launch_bounds__(512)
    sum_pieces(const float* pieces, std::int64_t count, View<T, 1> dweight, View<T, 1> dbias) {
  struct Shared {
    float sums[16][33];  // 33: columns of sixteen then stand in different banks
  };
  auto& s = shared_memory<Shared>();
  const std::int64_t n = dweight.extent(0), tiles = (n + 31) / 32;
  const bool second = blockIdx.x >= tiles;
  const std::int64_t c = (blockIdx.x - (second ? tiles : 0)) * 32 + lane_of_thread();
  float sum = 0;
  if (c < n)
    for (std::int64_t p = warp_of_thread(); p < count; p += 16) sum += pieces[((second ? count : 0) + p) * n + c];
  s.sums[warp_of_thread()][lane_of_thread()] = sum;
  __syncthreads();
  if (warp_of_thread() != 0 || c >= n) return;
  for (int j = 1; j < 16; ++j) sum += s.sums[j][lane_of_thread()];
  (second ? dbias : dweight).data[c] = T(sum);
}

/// Grid: a block for each row; any block of whole warps.
template <class T, class Input>
__global__ void __launch_bounds__(256) layer_norm_plain(Input x, View<const T, 1> weight, View<const T, 1> bias,
                                                        float eps, View<T, 2> y, float* mean, float* rstd) {
  const BlockTeam team(shared_memory<RowShared>().partial);
  const std::int64_t r = blockIdx.x, n = y.extent(1);
  float sum = 0, squares = 0;
  for_each_column_of(team, n, [&](std::int64_t c) { sum += x(r, c); });
  const float m = team.sum(sum) / float(n);
  for_each_column_of(team, n, [&](std::int64_t c) { squares += (x(r, c) - m) * (x(r, c) - m); });
  const float s = 1 / sqrtf(team.sum(squares) / float(n) + eps);
  for_each_column_of(team, n,
                     [&](std::int64_t c) { y(r, c) = T((x(r, c) - m) * s * float(weight(c)) + float(bias(c))); });
  if (threadIdx.x == 0) mean[r] = m, rstd[r] = s;
}

/// Grid: a piece for each block; any block of whole warps. Block b takes rows b, b + blocks, … and adds into its piece.
template <class T, class Input, class Output>
__global__ void __launch_bounds__(256)
    layer_norm_backward_plain(View<const T, 2> dy, Input x, View<const T, 1> weight, const float* mean,
                              const float* rstd, Output dx, float* pieces) {
  const BlockTeam team(shared_memory<RowShared>().partial);
  const std::int64_t n = dy.extent(1);
  float* of_weight = pieces + blockIdx.x * n;  // n is 64 bits wide
  float* of_bias = of_weight + gridDim.x * n;
  for_each_column_of(team, n, [&](std::int64_t c) { of_weight[c] = of_bias[c] = 0; });
  for (std::int64_t r = blockIdx.x; r < dy.extent(0); r += gridDim.x) {
    const float m = mean[r], s = rstd[r];
    float sum_g = 0, sum_gh = 0;
    for_each_column_of(team, n, [&](std::int64_t c) {
      const float d = float(dy(r, c)), h = (x(r, c) - m) * s, g = d * float(weight(c));
      sum_g += g, sum_gh += g * h;
      of_weight[c] += d * h, of_bias[c] += d;
    });
    const float mean_g = team.sum(sum_g) / float(n), mean_gh = team.sum(sum_gh) / float(n);
    for_each_column_of(team, n, [&](std::int64_t c) {
      const float h = (x(r, c) - m) * s, g = float(dy(r, c)) * float(weight(c));
      dx(r, c, s * (g - mean_g - h * mean_gh));
    });
  }
}

}  // namespace quern::inline QUERN_ABI::kernels
