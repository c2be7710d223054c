/// attention over bf16 on tensor cores, after FlashAttention-2 (Dao 2023): scores live in registers alone. A block has
/// a tile of 64 queries (or, for dk and dv, of 64 keys) of one head of one text, 16 rows for each of its four warps,
/// and goes through the other side's tiles, the next of which is copied meanwhile. Backward is two kernels, one of them
/// for dq, each of which makes the probabilities again: every sum belongs to one block, and has one order. They stand
/// in attention_tensor_cores_backward.cuh; here are forward, and what all three share.
///
/// Lane l of a warp holds of a 16 x 8 square of scores rows l/4 and l/4 + 8, columns 2 (l%4) and the next: `e` numbers
/// these four. Two squares side by side are, rounded, what the next product takes as its left operand.
#pragma once
#include "kernels/attention.cuh"
#include "kernels/device/fragments.cuh"
#include "kernels/device/pipeline.cuh"
#include "kernels/device/special.cuh"
#include "kernels/matmul_operands.cuh"

namespace quern::inline QUERN_ABI::kernels {

inline constexpr int attention_threads = 128, attention_tile = 64;
inline constexpr float log2_of_e = 1.4426950408889634f;

/// A tile in shared memory: rows of D elements, 16 bytes apart, so that the 8 rows of a fragment lie in different
/// banks.
template <int rows, int D>
struct HeadTile {
  static constexpr int stride = D + 8, packs = D / 8;
  alignas(16) bf16 x[rows * stride];

  /// All threads begin to copy rows `first` … of one head, `step` apart, of which `given` exist; the others become 0.
  __device__ __forceinline__ void copy(const bf16* from, std::int64_t step, int given) {
    QUERN_UNROLL
    for (int p = int(threadIdx.x); p < rows * packs; p += attention_threads) {
      const int r = p / packs, c = p % packs * 8;
      cp_async_or_zero<16>(x + r * stride + c, r < given ? from + r * step + c : from, r < given ? 16 : 0);
    }
  }
  /// The calling warp stores its 16 rows, from `row` on, of which those below `given` exist.
  __device__ __forceinline__ void store(int row, bf16* to, std::int64_t step, int given) const {
    for (int p = lane_of_thread(); p < 16 * packs; p += warp_size) {
      const int r = row + p / packs, c = p % packs * 8;
      if (r < given) store_pack(to + r * step + c, load_pack<8>(x + r * stride + c));
    }
  }
};

/// 16 rows of a tile as left operands over all of D.
template <int D>
struct LeftRows {
  std::uint32_t a[D / 16][4];
  template <class Tile>
  __device__ __forceinline__ void load(const Tile& tile, int row) {
    QUERN_UNROLL
    for (int k = 0; k < D / 16; ++k) Fragments<bf16, true>::load_a(a[k], tile.x, Tile::stride, row, 16 * k);
  }
};

/// Two squares of products of rows: left · (rows `column` … + 15 of the tile)ᵀ.
template <int D, class Tile>
__device__ __forceinline__ void multiply_rows(float (&sums)[2][4], const LeftRows<D>& left, const Tile& tile,
                                              int column) {
  QUERN_UNROLL
  for (int k = 0; k < D / 16; ++k) {
    std::uint32_t b[2][2];
    Fragments<bf16, true>::load_b(b, tile.x, Tile::stride, column, 16 * k);
    mma<bf16>(sums[0], left.a[k], b[0]);
    mma<bf16>(sums[1], left.a[k], b[1]);
  }
}
/// The same, where registers are too few to keep the left rows.
template <int D, class Tile, class Left>
__device__ __forceinline__ void multiply_rows(float (&sums)[2][4], const Left& left, int row, const Tile& tile,
                                              int column) {
  QUERN_UNROLL
  for (int k = 0; k < D / 16; ++k) {
    std::uint32_t a[4], b[2][2];
    Fragments<bf16, true>::load_a(a, left.x, Left::stride, row, 16 * k);
    Fragments<bf16, true>::load_b(b, tile.x, Tile::stride, column, 16 * k);
    mma<bf16>(sums[0], a, b[0]);
    mma<bf16>(sums[1], a, b[1]);
  }
}

/// sums [16, D] += p [16, 16] · rows `row` … + 15 of the tile; p are two squares, rounded here.
template <int D, class Tile>
__device__ __forceinline__ void multiply_into(float (&sums)[D / 8][4], const float (&p)[2][4], const Tile& tile,
                                              int row) {
  const std::uint32_t a[4] = {to_bf16_pair(p[0][0], p[0][1]), to_bf16_pair(p[0][2], p[0][3]),
                              to_bf16_pair(p[1][0], p[1][1]), to_bf16_pair(p[1][2], p[1][3])};
  QUERN_UNROLL
  for (int d = 0; d < D / 16; ++d) {
    std::uint32_t b[2][2];
    Fragments<bf16, false>::load_b(b, tile.x, Tile::stride, 16 * d, row);
    mma<bf16>(sums[2 * d], a, b[0]);
    mma<bf16>(sums[2 * d + 1], a, b[1]);
  }
}

/// sums [16, D], times a factor for each of the lane's two rows, rounded, to rows `row` … of a tile that only this warp
/// uses, and from there to memory.
template <int D, class Tile>
__device__ __forceinline__ void store_sums(Tile& tile, int row, const float (&sums)[D / 8][4], float low, float high,
                                           bf16* to, std::int64_t step, int given) {
  const int r = row + lane_of_thread() / 4, c = lane_of_thread() % 4 * 2;
  QUERN_UNROLL
  for (int d = 0; d < D / 8; ++d) {
    *reinterpret_cast<std::uint32_t*>(tile.x + r * Tile::stride + 8 * d + c) =
        to_bf16_pair(sums[d][0] * low, sums[d][1] * low);
    *reinterpret_cast<std::uint32_t*>(tile.x + (r + 8) * Tile::stride + 8 * d + c) =
        to_bf16_pair(sums[d][2] * high, sums[d][3] * high);
  }
  __syncwarp();
  tile.store(row, to, step, given);
}

/// The mask of a square whose rows are queries: bit e for the lane's element e. Two neighbouring lanes need the same
/// two blocks of Philox, and each computes one. `query` and `key` are those of the square's first element.
__device__ __forceinline__ unsigned kept_by_query(const DropoutMask& mask, std::int64_t query, std::int64_t stride,
                                                  int key) {
  const int lane = lane_of_thread(), odd = lane % 2;
  const unsigned own = kept_of_four(mask, query + lane / 4 + 8 * odd, stride, key + lane % 4 / 2 * 4);
  const unsigned other = __shfl_xor_sync(full_mask, own, 1);
  const unsigned low = odd ? other : own, high = odd ? own : other;  // of rows l/4 and l/4 + 8
  return (low >> 2 * odd & 3u) | (high >> 2 * odd & 3u) << 2;
}
/// The mask of a square whose rows are keys. Four lanes, four apart, need the same four blocks.
__device__ __forceinline__ unsigned kept_by_key(const DropoutMask& mask, std::int64_t query, std::int64_t stride,
                                                int key) {
  const int lane = lane_of_thread(), e = lane / 4 % 4;  // this lane computes the block of element e
  unsigned all = kept_of_four(mask, query + lane % 4 * 2 + e % 2, stride, key + lane / 16 * 4 + e / 2 * 8) << 4 * e;
  all |= __shfl_xor_sync(full_mask, all, 4);
  all |= __shfl_xor_sync(full_mask, all, 8);
  unsigned kept = 0;
  QUERN_UNROLL
  for (int j = 0; j < 4; ++j) kept |= (all >> (4 * j + e) & 1u) << j;
  return kept;
}
__device__ __forceinline__ float drop(const DropoutMask& mask, unsigned kept, int e, float x) {
  return kept >> e & 1u ? x * mask.scale : 0.f;
}

template <int D>
struct AttentionForwardShared {
  HeadTile<attention_tile, D> q, k[2], v[2];
};

/// Grid: places of tiles x heads. lse [N, H].
template <int D, bool drops>
__global__ void __launch_bounds__(attention_threads, 1)
    attention_tensor_cores(const bf16* q, const bf16* k, const bf16* v, const std::int64_t* offsets, bf16* y,
                           float* lse, AttentionShape shape, AttentionMask dropout) {
  constexpr int tile = attention_tile;
  auto& s = shared_memory<AttentionForwardShared<D>>();
  const TextTile text = find_tile<tile>(offsets, shape.texts, int(blockIdx.x));
  if (text.begin >= text.rows) return;
  const int h = int(blockIdx.y), row = warp_of_thread() * 16, lane = lane_of_thread();
  const std::int64_t step = shape.step(), head = text.first * step + h * D, own = head + text.begin * step;
  const int queries = min(tile, text.rows - text.begin), end = shape.causal ? text.begin + queries : text.rows;
  const std::int64_t mask_stride = attention_mask_stride(shape.rows), query = text.first + text.begin + row;
  const DropoutMask mask = dropout.of_head(h);
  const auto copy_keys = [&](int j) {
    s.k[j / tile % 2].copy(k + head + j * step, step, end - j);
    s.v[j / tile % 2].copy(v + head + j * step, step, end - j);
    cp_async_commit();
  };
  s.q.copy(q + own, step, queries);
  copy_keys(0);

  LeftRows<D> left;
  float out[D / 8][4] = {}, most[2] = {-infinity, -infinity}, sum[2] = {};
  const float scale = shape.scale * log2_of_e;
  for (int j = 0; j < end; j += tile) {
    cp_async_wait<0>();
    __syncthreads();  // everybody's copies have arrived, and nobody reads the other stage any more
    if (j + tile < end) copy_keys(j + tile);
    if (j == 0) left.load(s.q, row);
    const auto& keys = s.k[j / tile % 2];
    float p[tile / 16][2][4] = {};
    QUERN_UNROLL
    for (int n = 0; n < tile / 16; ++n) multiply_rows<D>(p[n], left, keys, 16 * n);

    float found[2] = {most[0], most[1]};
    const bool hides = j + tile > end || (shape.causal && j + tile > text.begin + row);
    QUERN_UNROLL
    for (int n = 0; n < tile / 8; ++n) {
      QUERN_UNROLL
      for (int e = 0; e < 4; ++e) {
        float& score = p[n / 2][n % 2][e];
        if (hides) {
          const int key = j + 8 * n + lane % 4 * 2 + e % 2, of = text.begin + row + lane / 4 + e / 2 * 8;
          if (key >= end || (shape.causal && key > of)) score = -infinity;
        }
        found[e / 2] = fmaxf(found[e / 2], score);
      }
    }
    float shift[2];
    QUERN_UNROLL
    for (int i = 0; i < 2; ++i) {
      found[i] = warp_reduce<4>(found[i], [](float a, float b) { return fmaxf(a, b); });
      const float factor = exp2_approx((most[i] - found[i]) * scale);
      most[i] = found[i], shift[i] = found[i] * scale, sum[i] *= factor;
      QUERN_UNROLL
      for (int d = 0; d < D / 8; ++d) out[d][2 * i] *= factor, out[d][2 * i + 1] *= factor;
    }
    QUERN_UNROLL
    for (int n = 0; n < tile / 8; ++n) {
      unsigned kept = 0;
      if constexpr (drops) kept = kept_by_query(mask, query, mask_stride, j + 8 * n);
      QUERN_UNROLL
      for (int e = 0; e < 4; ++e) {
        float& x = p[n / 2][n % 2][e];
        x = exp2_approx(x * scale - shift[e / 2]);
        sum[e / 2] += x;
        if constexpr (drops) x = drop(mask, kept, e, x);
      }
    }
    QUERN_UNROLL
    for (int n = 0; n < tile / 16; ++n) multiply_into<D>(out, p[n], s.v[j / tile % 2], 16 * n);
  }

  QUERN_UNROLL
  for (int i = 0; i < 2; ++i) {
    sum[i] = warp_sum<4>(sum[i]);
    const int r = row + lane / 4 + 8 * i;
    if (lane % 4 == 0 && r < queries)
      lse[(text.first + text.begin + r) * shape.heads + h] = most[i] * shape.scale + logf(sum[i]);
  }
  store_sums<D>(s.q, row, out, 1 / sum[0], 1 / sum[1], y + own, step, queries);  // q is in registers by now
}

}  // namespace quern::inline QUERN_ABI::kernels
