/// attention over float, whose products are exact fma: tiles of queries and of keys in shared memory, a square of
/// scores for each pair. The 256 threads of a block stand as 16 x 16; thread (y, x) has of a square rows y, y + 16, …
/// and columns x, x + 16, …, and of a result [rows, D] the same rows and columns x, x + 16, … Which block does what is
/// as on tensor cores (attention_tensor_cores.cuh).
#pragma once
#include "kernels/attention.cuh"
#include "kernels/matmul_operands.cuh"

namespace quern::inline QUERN_ABI::kernels {

template <int D>
struct FloatTile {
  static constexpr int each = D > 64 ? 2 : 4;  // of a square's rows, and of its columns, for a thread
  static constexpr int rows = 16 * each, stride = D + 4, square_stride = rows + 1;
  static constexpr unsigned threads = 256;
  static constexpr int columns = D / 16;  // of a result, for a thread
};

template <int D, int matrices>
struct AttentionTilesShared {
  using Tile = FloatTile<D>;
  alignas(16) float x[matrices][Tile::rows * Tile::stride];
  float square[Tile::rows * Tile::square_stride];
};

/// Row and column of the calling thread in the 16 x 16.
__device__ __forceinline__ int thread_row() { return int(threadIdx.x / 16); }
__device__ __forceinline__ int thread_column() { return int(threadIdx.x % 16); }

/// All threads: rows of one head, `step` apart, of which `given` exist; the others become 0.
template <int D>
__device__ __forceinline__ void load_tile(float* to, const float* from, std::int64_t step, int given) {
  using Tile = FloatTile<D>;
  for (int p = int(threadIdx.x); p < Tile::rows * (D / 4); p += int(Tile::threads)) {
    const int r = p / (D / 4), c = p % (D / 4) * 4;
    store_pack(to + r * Tile::stride + c, r < given ? load_pack<4>(from + r * step + c) : Pack<float, 4>{});
  }
}

/// The thread's part of the square a · bᵀ of two tiles.
template <int D>
__device__ __forceinline__ void multiply_tiles(float (&c)[FloatTile<D>::each][FloatTile<D>::each], const float* a,
                                               const float* b) {
  using Tile = FloatTile<D>;
  constexpr int n = Tile::each;
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) c[i][j] = 0;
  a += thread_row() * Tile::stride, b += thread_column() * Tile::stride;
  for (int k = 0; k < D; k += 4) {
    Pack<float, 4> x[n], y[n];
    QUERN_UNROLL
    for (int i = 0; i < n; ++i) x[i] = load_pack<4>(a + 16 * i * Tile::stride + k);
    QUERN_UNROLL
    for (int j = 0; j < n; ++j) y[j] = load_pack<4>(b + 16 * j * Tile::stride + k);
    QUERN_UNROLL
    for (int e = 0; e < 4; ++e)
      for (int i = 0; i < n; ++i)
        for (int j = 0; j < n; ++j) c[i][j] += x[i][e] * y[j][e];
  }
}

/// sums += square · tile: element (i, k) of the square stands at i · square_row + k · square_k.
template <int D>
__device__ __forceinline__ void add_product(float (&sums)[FloatTile<D>::each][FloatTile<D>::columns],
                                            const float* square, int square_row, int square_k, const float* tile) {
  using Tile = FloatTile<D>;
  square += thread_row() * square_row, tile += thread_column();
  for (int k = 0; k < Tile::rows; ++k) {
    float p[Tile::each], x[Tile::columns];
    QUERN_UNROLL
    for (int i = 0; i < Tile::each; ++i) p[i] = square[16 * i * square_row + k * square_k];
    QUERN_UNROLL
    for (int d = 0; d < Tile::columns; ++d) x[d] = tile[k * Tile::stride + 16 * d];
    QUERN_UNROLL
    for (int i = 0; i < Tile::each; ++i)
      for (int d = 0; d < Tile::columns; ++d) sums[i][d] += p[i] * x[d];
  }
}

template <int D>
__device__ __forceinline__ void store_square(float* square, const float (&c)[FloatTile<D>::each][FloatTile<D>::each]) {
  using Tile = FloatTile<D>;
  for (int i = 0; i < Tile::each; ++i)
    for (int j = 0; j < Tile::each; ++j)
      square[(thread_row() + 16 * i) * Tile::square_stride + thread_column() + 16 * j] = c[i][j];
}

/// Rows below `given` of a result, times `factor`.
template <int D>
__device__ __forceinline__ void store_result(float* to, std::int64_t step, int given, float factor,
                                             const float (&sums)[FloatTile<D>::each][FloatTile<D>::columns]) {
  for (int i = 0; i < FloatTile<D>::each; ++i) {
    const int r = thread_row() + 16 * i;
    for (int d = 0; r < given && d < FloatTile<D>::columns; ++d)
      to[r * step + thread_column() + 16 * d] = sums[i][d] * factor;
  }
}

/// Which of the thread's part of a square stay, a bit each; `query` and `key` are those of the square's corner. Bits,
/// for the loop is too long to be unrolled, and registers have no addresses.
template <int D>
__device__ __forceinline__ unsigned kept_in_square(const DropoutMask& mask, std::int64_t query, int key,
                                                   std::int64_t stride) {
  constexpr int n = FloatTile<D>::each;
  unsigned kept = 0;
  for (int e = 0; e < n * n; ++e) {
    const int of = key + thread_column() + e % n * 16;
    const unsigned four = kept_of_four(mask, query + thread_row() + e / n * 16, stride, of / 4 * 4);
    kept |= (four >> of % 4 & 1u) << e;
  }
  return kept;
}

/// Grid: places of tiles x heads. lse [N, H].
template <int D, bool drops>
__global__ void __launch_bounds__(256, 2)
    attention_in_tiles(const float* q, const float* k, const float* v, const std::int64_t* offsets, float* y,
                       float* lse, AttentionShape shape, AttentionMask dropout) {
  using Tile = FloatTile<D>;
  constexpr int n = Tile::each;
  auto& s = shared_memory<AttentionTilesShared<D, 3>>();
  const TextTile text = find_tile<Tile::rows>(offsets, shape.texts, int(blockIdx.x));
  if (text.begin >= text.rows) return;
  const int h = int(blockIdx.y), queries = min(Tile::rows, text.rows - text.begin);
  const int end = shape.causal ? text.begin + queries : text.rows;
  const std::int64_t step = shape.step(), head = text.first * step + h * D, own = head + text.begin * step;
  const DropoutMask mask = dropout.of_head(h);
  load_tile<D>(s.x[0], q + own, step, queries);
  float out[n][Tile::columns] = {}, most[n], sum[n];
  for (int i = 0; i < n; ++i) most[i] = -infinity, sum[i] = 0;
  for (int j = 0; j < end; j += Tile::rows) {
    load_tile<D>(s.x[1], k + head + j * step, step, end - j);
    load_tile<D>(s.x[2], v + head + j * step, step, end - j);
    __syncthreads();
    float p[n][n];
    multiply_tiles<D>(p, s.x[0], s.x[1]);
    unsigned kept = 0;
    if constexpr (drops) kept = kept_in_square<D>(mask, text.first + text.begin, j, attention_mask_stride(shape.rows));
    QUERN_UNROLL
    for (int i = 0; i < n; ++i) {
      const int query = text.begin + thread_row() + 16 * i;
      float found = most[i], added = 0;
      for (int c = 0; c < n; ++c) {
        const int key = j + thread_column() + 16 * c;
        p[i][c] = key >= end || (shape.causal && key > query) ? -infinity : p[i][c] * shape.scale;
        found = fmaxf(found, p[i][c]);
      }
      found = warp_reduce<16>(found, [](float a, float b) { return fmaxf(a, b); });
      for (int c = 0; c < n; ++c) {
        p[i][c] = exp_below_one(p[i][c] - found);
        added += p[i][c];
        if constexpr (drops) p[i][c] = kept >> (n * i + c) & 1u ? p[i][c] * mask.scale : 0.f;
      }
      const float factor = exp_below_one(most[i] - found);
      sum[i] = sum[i] * factor + warp_sum<16>(added), most[i] = found;
      for (int d = 0; d < Tile::columns; ++d) out[i][d] *= factor;
    }
    store_square<D>(s.square, p);
    __syncthreads();
    add_product<D>(out, s.square, Tile::square_stride, 1, s.x[2]);
    __syncthreads();  // the tiles and the square have been read
  }
  for (int i = 0; i < n; ++i) {
    const int r = thread_row() + 16 * i;
    for (int d = 0; d < Tile::columns; ++d) out[i][d] /= sum[i];
    if (thread_column() == 0 && r < queries)
      lse[(text.first + text.begin + r) * shape.heads + h] = most[i] + logf(sum[i]);
  }
  store_result<D>(y + own, step, queries, 1, out);
}

/// What a pair of tiles gives backward: p the probabilities as they met v, ds the gradients of the scores; rows are
/// queries, from `query` of the text on, columns keys.
template <int D, bool drops>
__device__ __forceinline__ void attention_square_backward(float (&p)[FloatTile<D>::each][FloatTile<D>::each],
                                                          float (&ds)[FloatTile<D>::each][FloatTile<D>::each],
                                                          const TextTile& text, int query, int key, const float* lse,
                                                          const float* delta, int h, const AttentionShape& shape,
                                                          const DropoutMask& mask) {
  constexpr int n = FloatTile<D>::each;
  unsigned kept = 0;
  if constexpr (drops) kept = kept_in_square<D>(mask, text.first + query, key, attention_mask_stride(shape.rows));
  QUERN_UNROLL
  for (int i = 0; i < n; ++i) {
    const int of = query + thread_row() + 16 * i;
    const bool exists = of < text.rows;
    const std::int64_t item = (text.first + of) * shape.heads + h;
    const float shift = exists ? lse[item] : infinity, mean = exists ? delta[item] : 0.f;
    for (int c = 0; c < n; ++c) {
      const int other = key + thread_column() + 16 * c;
      const bool hidden = other >= text.rows || (shape.causal && other > of);
      const float x = hidden ? 0.f : exp_below_one(p[i][c] * shape.scale - shift);
      float g = ds[i][c];
      p[i][c] = x;
      if constexpr (drops) {
        const bool stays = kept >> (n * i + c) & 1u;
        g = stays ? g * mask.scale : 0.f, p[i][c] = stays ? x * mask.scale : 0.f;
      }
      ds[i][c] = x * (g - mean);
    }
  }
}

/// dq. Grid: places of tiles of queries x heads.
template <int D, bool drops>
__global__ void __launch_bounds__(256, 1)
    attention_queries_in_tiles(const float* dy, const float* q, const float* k, const float* v, const float* lse,
                               const float* delta, const std::int64_t* offsets, float* dq, AttentionShape shape,
                               AttentionMask dropout) {
  using Tile = FloatTile<D>;
  constexpr int n = Tile::each;
  auto& s = shared_memory<AttentionTilesShared<D, 4>>();
  const TextTile text = find_tile<Tile::rows>(offsets, shape.texts, int(blockIdx.x));
  if (text.begin >= text.rows) return;
  const int h = int(blockIdx.y), queries = min(Tile::rows, text.rows - text.begin);
  const int end = shape.causal ? text.begin + queries : text.rows;
  const std::int64_t step = shape.step(), head = text.first * step + h * D, own = head + text.begin * step;
  const DropoutMask mask = dropout.of_head(h);
  load_tile<D>(s.x[0], q + own, step, queries);
  load_tile<D>(s.x[1], dy + own, step, queries);
  float sums[n][Tile::columns] = {};
  for (int j = 0; j < end; j += Tile::rows) {
    load_tile<D>(s.x[2], k + head + j * step, step, end - j);
    load_tile<D>(s.x[3], v + head + j * step, step, end - j);
    __syncthreads();
    float p[n][n], ds[n][n];
    multiply_tiles<D>(p, s.x[0], s.x[2]);
    multiply_tiles<D>(ds, s.x[1], s.x[3]);
    attention_square_backward<D, drops>(p, ds, text, text.begin, j, lse, delta, h, shape, mask);
    store_square<D>(s.square, ds);
    __syncthreads();
    add_product<D>(sums, s.square, Tile::square_stride, 1, s.x[2]);
    __syncthreads();
  }
  store_result<D>(dq + own, step, queries, shape.scale, sums);
}

/// dk and dv. Grid: places of tiles of keys x heads.
template <int D, bool drops>
__global__ void __launch_bounds__(256, 1)
    attention_keys_in_tiles(const float* dy, const float* q, const float* k, const float* v, const float* lse,
                            const float* delta, const std::int64_t* offsets, float* dk, float* dv, AttentionShape shape,
                            AttentionMask dropout) {
  using Tile = FloatTile<D>;
  constexpr int n = Tile::each;
  auto& s = shared_memory<AttentionTilesShared<D, 4>>();
  const TextTile text = find_tile<Tile::rows>(offsets, shape.texts, int(blockIdx.x));
  if (text.begin >= text.rows) return;
  const int h = int(blockIdx.y), keys = min(Tile::rows, text.rows - text.begin);
  const std::int64_t step = shape.step(), head = text.first * step + h * D, own = head + text.begin * step;
  const DropoutMask mask = dropout.of_head(h);
  load_tile<D>(s.x[0], k + own, step, keys);
  load_tile<D>(s.x[1], v + own, step, keys);
  float sums_k[n][Tile::columns] = {}, sums_v[n][Tile::columns] = {};
  for (int i = shape.causal ? text.begin : 0; i < text.rows; i += Tile::rows) {
    load_tile<D>(s.x[2], q + head + i * step, step, text.rows - i);
    load_tile<D>(s.x[3], dy + head + i * step, step, text.rows - i);
    __syncthreads();
    float p[n][n], ds[n][n];
    multiply_tiles<D>(p, s.x[2], s.x[0]);
    multiply_tiles<D>(ds, s.x[3], s.x[1]);
    attention_square_backward<D, drops>(p, ds, text, i, text.begin, lse, delta, h, shape, mask);
    store_square<D>(s.square, p);
    __syncthreads();
    add_product<D>(sums_v, s.square, 1, Tile::square_stride, s.x[3]);
    __syncthreads();
    store_square<D>(s.square, ds);
    __syncthreads();
    add_product<D>(sums_k, s.square, 1, Tile::square_stride, s.x[2]);
    __syncthreads();
  }
  store_result<D>(dk + own, step, keys, shape.scale, sums_k);
  store_result<D>(dv + own, step, keys, 1, sums_v);
}

}  // namespace quern::inline QUERN_ABI::kernels
