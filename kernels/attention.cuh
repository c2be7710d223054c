/// Kernels of attention: what all of them share, and the plain ones. The fast ones stand in attention_tensor_cores.cuh
/// (bf16) and attention_tiles.cuh (float).
///
/// A text's rows are cut into tiles of as many rows. How many tiles a batch has only the device knows, as it alone
/// reads the offsets; but rows / tile + texts places are enough for them all, if text b begins at place offsets(b) /
/// tile + b. Blocks in places that hold no tile end at once.
#pragma once
#include <quern/base/attention_options.hpp>

#include "kernels/dropout.cuh"
#include "kernels/rows.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// q, k, v and y are rows of `step` = H·D elements; head h has the columns from h · D on.
struct AttentionShape {
  std::int64_t rows;
  int texts, heads, width;  // B, H, D
  float scale;              // of scores: 1/√D
  bool causal;

  QUERN_HD std::int64_t step() const { return std::int64_t(heads) * width; }
};

/// The dropout of the probabilities; head h draws as op number `op + h`.
struct AttentionMask {
  DropoutMask mask;
  bool drops;

  __device__ __forceinline__ DropoutMask of_head(int h) const {
    DropoutMask own = mask;
    own.stream.op += unsigned(h);
    return own;
  }
};

/// `rows` rows of a text that begins at row `first`, and where this block's tile begins in it; at or beyond its end: no
/// tile.
struct TextTile {
  std::int64_t first;
  int rows, begin;
};

/// All lanes of a warp call; the same in all. Each round leaves one of 32 parts of the texts in question.
template <int tile>
__device__ __forceinline__ TextTile find_tile(const std::int64_t* offsets, int texts, int place QUERN_CALLER) {
  int low = 0, count = texts;
  while (count > 1) {
    const int part = (count + warp_size - 1) / warp_size, text = low + lane_of_thread() * part;
    const bool before = text < low + count && offsets[text] / tile + text <= place;
    const int last = __popc(__ballot_sync(full_mask, before QUERN_PASS_CALLER)) - 1;
    low += last * part;
    count = min(part, count - last * part);
  }
  const std::int64_t first = offsets[low];
  return {first, int(offsets[low + 1] - first), int(place - (first / tile + low)) * tile};
}

/// The text that row n belongs to: its first row and its rows.
__device__ __forceinline__ TextTile text_of_row(const std::int64_t* offsets, std::int64_t n) {
  int b = 0;
  while (offsets[b + 1] <= n) ++b;
  return {offsets[b], int(offsets[b + 1] - offsets[b]), int(n - offsets[b])};
}

/// Which of four neighbouring keys, the first a multiple of four, stay for a query of the batch: one bit each.
__device__ __forceinline__ unsigned kept_of_four(const DropoutMask& mask, std::int64_t query, std::int64_t stride,
                                                 int key) {
  const PhiloxBlock block = mask.stream.block(std::uint64_t(query * stride + key) / 4);
  const auto stays = [&](int j) { return block.x[j] >= mask.threshold ? 1u : 0u; };
  return stays(0) | stays(1) << 1 | stays(2) << 2 | stays(3) << 3;
}
template <class T>
__device__ __forceinline__ float dot(const T* a, const T* b, int n) {
  float sum = 0;
  for (int c = 0; c < n; ++c) sum += float(a[c]) * float(b[c]);
  return sum;
}

/// Grid: [N, H] warps, one a block: a row of one head. Every lane goes through all scores, and has the columns l, l +
/// 32, … of y.
template <class T>
__global__ void attention_plain(const T* q, const T* k, const T* v, const std::int64_t* offsets, T* y, float* lse,
                                AttentionShape shape, AttentionMask dropout) {
  const std::int64_t n = blockIdx.x, step = shape.step(), stride = attention_mask_stride(shape.rows);
  const int h = int(blockIdx.y), D = shape.width;
  const TextTile text = text_of_row(offsets, n);
  const int keys = shape.causal ? text.begin + 1 : text.rows;
  const DropoutMask mask = dropout.of_head(h);
  const std::int64_t own = n * step + h * D, others = text.first * step + h * D;
  const auto score = [&](int j) { return shape.scale * dot(q + own, k + others + j * step, D); };
  float most = -infinity, sum = 0;
  for (int j = 0; j < keys; ++j) most = fmaxf(most, score(j));
  for (int j = 0; j < keys; ++j) sum += expf(score(j) - most);
  for (int c = lane_of_thread(); c < D; c += warp_size) {
    float out = 0;
    for (int j = 0; j < keys; ++j) {
      const float p = expf(score(j) - most) / sum;
      out += (dropout.drops ? mask(n * stride + j, p) : p) * float(v[others + j * step + c]);
    }
    y[own + c] = T(out);
  }
  if (lane_of_thread() == 0) lse[n * shape.heads + h] = most + logf(sum);
}

/// Grid: [N, H] warps, one a block. The row is a query, for dq, and a key, for dk and dv; lanes have columns l, l + 32,
/// …
template <class T>
__global__ void attention_backward_plain(const T* dy, const T* q, const T* k, const T* v, const T* y, const float* lse,
                                         const std::int64_t* offsets, T* dq, T* dk, T* dv, AttentionShape shape,
                                         AttentionMask dropout) {
  const std::int64_t n = blockIdx.x, step = shape.step(), stride = attention_mask_stride(shape.rows);
  const int h = int(blockIdx.y), D = shape.width;
  const TextTile text = text_of_row(offsets, n);
  const DropoutMask mask = dropout.of_head(h);
  const auto row = [&](int i) { return (text.first + i) * step + h * D; };
  /// Of query i and key j: the probability as it met v, and the gradient of the score.
  const auto pair = [&](int i, int j, float& met, float& ds) {
    const std::int64_t query = text.first + i;
    const float p = expf(shape.scale * dot(q + row(i), k + row(j), D) - lse[query * shape.heads + h]);
    const float g = dot(dy + row(i), v + row(j), D);
    met = dropout.drops ? mask(query * stride + j, p) : p;
    ds = p * ((dropout.drops ? mask(query * stride + j, g) : g) - dot(dy + row(i), y + row(i), D));
  };
  for (int c = lane_of_thread(); c < D; c += warp_size) {
    float sum_q = 0, sum_k = 0, sum_v = 0, met, ds;
    for (int j = 0; j < (shape.causal ? text.begin + 1 : text.rows); ++j) {
      pair(text.begin, j, met, ds);
      sum_q += ds * float(k[row(j) + c]);
    }
    for (int i = shape.causal ? text.begin : 0; i < text.rows; ++i) {
      pair(i, text.begin, met, ds);
      sum_k += ds * float(q[row(i) + c]);
      sum_v += met * float(dy[row(i) + c]);
    }
    dq[row(text.begin) + c] = T(shape.scale * sum_q);
    dk[row(text.begin) + c] = T(shape.scale * sum_k);
    dv[row(text.begin) + c] = T(sum_v);
  }
}

/// delta [N, H] = Σ_c dy y over the columns of a head. Each item has `lanes` neighbouring threads, each 8 columns.
template <int D, class T>
__global__ void __launch_bounds__(256) attention_delta(const T* dy, const T* y, float* delta, std::int64_t items) {
  constexpr int lanes = D / 8;
  const std::int64_t thread = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x, item = thread / lanes;
  float sum = 0;
  if (item < items) {
    const auto a = load_elements<8>(dy + thread * 8), b = load_elements<8>(y + thread * 8);
    for (int c = 0; c < 8; ++c) sum += a[c] * b[c];
  }
  sum = warp_sum<lanes>(sum);
  if (item < items && thread % lanes == 0) delta[item] = sum;
}

}  // namespace quern::inline QUERN_ABI::kernels
