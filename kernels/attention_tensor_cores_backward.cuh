/// Backward of attention on tensor cores: two kernels, one for dq and one for dk and dv. How a warp holds its scores,
/// and the tiles, are explained in attention_tensor_cores.cuh.
#pragma once
#include "kernels/attention_tensor_cores.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// The other side's rows that are in shared memory at a time: fewer where D is large, for what an SM of sm_86 has.
template <int D>
inline constexpr int attention_backward_tile = D > 64 ? 32 : 64;

template <int D>
struct AttentionQueriesShared {
  HeadTile<attention_tile, D> q, dy;
  HeadTile<attention_backward_tile<D>, D> k[2], v[2];
};

/// dq. Grid: places of tiles of queries x heads.
template <int D, bool drops>
__global__ void __launch_bounds__(attention_threads, 1)
    attention_queries_on_tensor_cores(const bf16* dy, const bf16* q, const bf16* k, const bf16* v, const float* lse,
                                      const float* delta, const std::int64_t* offsets, bf16* dq, AttentionShape shape,
                                      AttentionMask dropout) {
  constexpr int tile = attention_tile, part = attention_backward_tile<D>;
  auto& s = shared_memory<AttentionQueriesShared<D>>();
  const TextTile text = find_tile<tile>(offsets, shape.texts, int(blockIdx.x));
  if (text.begin >= text.rows) return;
  const int h = int(blockIdx.y), row = warp_of_thread() * 16, lane = lane_of_thread();
  const std::int64_t step = shape.step(), head = text.first * step + h * D, own = head + text.begin * step;
  const int queries = min(tile, text.rows - text.begin), end = shape.causal ? text.begin + queries : text.rows;
  const std::int64_t mask_stride = attention_mask_stride(shape.rows), query = text.first + text.begin + row;
  const DropoutMask mask = dropout.of_head(h);
  const auto copy_keys = [&](int j) {
    s.k[j / part % 2].copy(k + head + j * step, step, end - j);
    s.v[j / part % 2].copy(v + head + j * step, step, end - j);
    cp_async_commit();
  };
  s.q.copy(q + own, step, queries);
  s.dy.copy(dy + own, step, queries);
  copy_keys(0);
  float shift[2], mean[2];  // of the lane's two queries; beyond the text probabilities are 2^-∞
  QUERN_UNROLL
  for (int i = 0; i < 2; ++i) {
    const int r = row + lane / 4 + 8 * i;
    const std::int64_t item = (text.first + text.begin + r) * shape.heads + h;
    shift[i] = r < queries ? lse[item] * log2_of_e : infinity, mean[i] = r < queries ? delta[item] : 0.f;
  }

  LeftRows<D> left_q, left_dy;
  float sums[D / 8][4] = {};
  const float scale = shape.scale * log2_of_e;
  for (int j = 0; j < end; j += part) {
    cp_async_wait<0>();
    __syncthreads();
    if (j + part < end) copy_keys(j + part);
    if (j == 0) left_q.load(s.q, row), left_dy.load(s.dy, row);
    const auto &keys = s.k[j / part % 2], &values = s.v[j / part % 2];
    QUERN_UNROLL
    for (int n = 0; n < part; n += 16) {
      float p[2][4] = {}, dp[2][4] = {};
      multiply_rows<D>(p, left_q, keys, n);
      multiply_rows<D>(dp, left_dy, values, n);
      QUERN_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int first = j + n + 8 * half;
        unsigned kept = 0;
        if constexpr (drops) kept = kept_by_query(mask, query, mask_stride, first);
        QUERN_UNROLL
        for (int e = 0; e < 4; ++e) {
          const int key = first + lane % 4 * 2 + e % 2, of = text.begin + row + lane / 4 + e / 2 * 8;
          const bool hidden = key >= end || (shape.causal && key > of);
          const float x = hidden ? 0.f : exp2_approx(p[half][e] * scale - shift[e / 2]);
          const float g = drops ? drop(mask, kept, e, dp[half][e]) : dp[half][e];
          p[half][e] = x * (g - mean[e / 2]);
        }
      }
      multiply_into<D>(sums, p, keys, n);
    }
  }
  store_sums<D>(s.q, row, sums, shape.scale, shape.scale, dq + own, step, queries);
}

template <int D>
struct AttentionKeysShared {
  static constexpr int part = attention_backward_tile<D>;
  HeadTile<attention_tile, D> k, v;
  HeadTile<part, D> q[2], dy[2];
  float shift[2][part], mean[2][part];
};

/// dk and dv. Grid: places of tiles of keys x heads. Scores are turned: rows are keys, columns queries.
template <int D, bool drops>
__global__ void __launch_bounds__(attention_threads, 1)
    attention_keys_on_tensor_cores(const bf16* dy, const bf16* q, const bf16* k, const bf16* v, const float* lse,
                                   const float* delta, const std::int64_t* offsets, bf16* dk, bf16* dv,
                                   AttentionShape shape, AttentionMask dropout) {
  constexpr int tile = attention_tile, part = attention_backward_tile<D>;
  auto& s = shared_memory<AttentionKeysShared<D>>();
  const TextTile text = find_tile<tile>(offsets, shape.texts, int(blockIdx.x));
  if (text.begin >= text.rows) return;
  const int h = int(blockIdx.y), row = warp_of_thread() * 16, lane = lane_of_thread();
  const std::int64_t step = shape.step(), head = text.first * step + h * D, own = head + text.begin * step;
  const int keys = min(tile, text.rows - text.begin), begin = shape.causal ? text.begin : 0;
  const std::int64_t mask_stride = attention_mask_stride(shape.rows);
  const DropoutMask mask = dropout.of_head(h);
  const auto copy_queries = [&](int i) {
    const int stage = i / part % 2, given = text.rows - i;
    s.q[stage].copy(q + head + i * step, step, given);
    s.dy[stage].copy(dy + head + i * step, step, given);
    cp_async_commit();
    for (int r = int(threadIdx.x); r < part; r += attention_threads) {
      const std::int64_t item = (text.first + i + r) * shape.heads + h;
      s.shift[stage][r] = r < given ? lse[item] * log2_of_e : infinity;
      s.mean[stage][r] = r < given ? delta[item] : 0.f;
    }
  };
  s.k.copy(k + own, step, keys);
  s.v.copy(v + own, step, keys);
  copy_queries(begin);

  constexpr bool keeps = D <= 64;  // the left rows in registers
  LeftRows<keeps ? D : 16> left_k, left_v;
  float sums_k[D / 8][4] = {}, sums_v[D / 8][4] = {};
  const float scale = shape.scale * log2_of_e;
  for (int i = begin; i < text.rows; i += part) {
    cp_async_wait<0>();
    __syncthreads();
    if (i + part < text.rows) copy_queries(i + part);
    if constexpr (keeps)
      if (i == begin) left_k.load(s.k, row), left_v.load(s.v, row);
    const int stage = i / part % 2;
    QUERN_UNROLL
    for (int n = 0; n < part; n += 16) {
      float p[2][4] = {}, dp[2][4] = {}, ds[2][4];
      if constexpr (keeps) {
        multiply_rows<D>(p, left_k, s.q[stage], n);
        multiply_rows<D>(dp, left_v, s.dy[stage], n);
      } else {
        multiply_rows<D>(p, s.k, row, s.q[stage], n);
        multiply_rows<D>(dp, s.v, row, s.dy[stage], n);
      }
      QUERN_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int first = n + 8 * half;
        unsigned kept = 0;
        if constexpr (drops) kept = kept_by_key(mask, text.first + i + first, mask_stride, text.begin + row);
        QUERN_UNROLL
        for (int e = 0; e < 4; ++e) {
          const int of = first + lane % 4 * 2 + e % 2, key = text.begin + row + lane / 4 + e / 2 * 8;
          const bool hidden = shape.causal && key > i + of;
          const float x = hidden ? 0.f : exp2_approx(p[half][e] * scale - s.shift[stage][of]);
          const float g = drops ? drop(mask, kept, e, dp[half][e]) : dp[half][e];
          ds[half][e] = x * (g - s.mean[stage][of]);
          p[half][e] = drops ? drop(mask, kept, e, x) : x;
        }
      }
      multiply_into<D>(sums_v, p, s.dy[stage], n);
      multiply_into<D>(sums_k, ds, s.q[stage], n);
    }
  }
  store_sums<D>(s.k, row, sums_k, shape.scale, shape.scale, dk + own, step, keys);
  store_sums<D>(s.v, row, sums_v, 1.f, 1.f, dv + own, step, keys);
}

}  // namespace quern::inline QUERN_ABI::kernels
