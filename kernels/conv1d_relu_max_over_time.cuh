/// Kernels of conv1d_relu_max_over_time. Forward is conv1d's product whose sums never leave the chip: a block reduces
/// its tile of windows to one maximum for each text that it touches, and a second kernel combines those of a text.
/// Backward visits one window for each text and filter. Beside each stands the obvious kernel, one thread a result.
#pragma once
#include "kernels/conv1d.cuh"
#include "kernels/device/warp.cuh"
#include "kernels/matmul.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// What kernels know of a text: its rows and its windows in the batch.
struct TextOfBatch {
  std::int64_t first_row, rows, first_window, windows;
  __device__ static TextOfBatch of(const std::int64_t* offsets, std::int64_t b, std::int64_t gap) {
    const std::int64_t rows = offsets[b + 1] - offsets[b];
    return {offsets[b], rows, offsets[b] + b * gap, rows + gap};
  }
};

/// The largest value so far and where it stood. The first of equal ones is kept; a NaN is the largest, the first one.
struct Largest {
  float value = 0;
  int window = -1;  // none yet
  __device__ __forceinline__ void meet(float other, int at) {
    if (window < 0 || other > value || (other != other && value == value)) value = other, window = at;
  }
};

__device__ __forceinline__ float relu_of(float x) { return x < 0 ? 0.f : x + 0.f; }  // NaN stays; -0 becomes 0

/// What a tile finds: the largest of text b in tile t of windows stands at line b + t. Walking through windows either
/// text or tile goes on, or both: lines are all different.
struct Candidates {
  float* value;  // [texts + tiles, filters]
  std::int32_t* window;
};

template <class Engine>
union ConvMaxShared {
  typename Engine::Shared product;
  typename Engine::Staged sums;
};

// snippet: kernel-conv-max
/// Grid: tiles of windows x filters; block: Engine::threads. After the product each thread takes pairs of a text and a
/// filter and walks down the rows of the tile that are the text's.
template <class Engine, int width, class A, class B, class T>
__global__ void __launch_bounds__(Engine::threads, blocks_wanted<Engine, width, A, B>)
    conv_max_tiles(A windows, B taps, const T* bias, std::int64_t m, std::int64_t n, std::int64_t depth,
                   const std::int64_t* offsets, const std::int32_t* text, std::int64_t gap, Candidates found) {
  auto& s = shared_memory<ConvMaxShared<Engine>>();
  const TilePlace tile = tile_of_block(Engine::rows, Engine::columns, m, n, depth, depth);
  Engine engine;
  engine.template run<width>(s.product, windows, taps, m, n, tile);
  __syncthreads();  // the product's tiles have been read: the sums take their place
  engine.stage(s.sums);
  __syncthreads();
  const std::int64_t end = tile.row + Engine::rows < m ? tile.row + Engine::rows : m;
  const int first_text = text[tile.row], texts = text[end - 1] - first_text + 1;
  for (int p = int(threadIdx.x); p < texts * Engine::columns; p += Engine::threads) {
    const std::int64_t b = first_text + p / Engine::columns, f = tile.column + p % Engine::columns;
    if (f >= n) continue;
    const auto of = TextOfBatch::of(offsets, b, gap);
    const std::int64_t from = of.first_window > tile.row ? of.first_window : tile.row;
    const std::int64_t to = of.first_window + of.windows < end ? of.first_window + of.windows : end;
    const float shift = bias ? float(bias[f]) : 0.f;
    Largest largest;
    for (std::int64_t r = from; r < to; ++r)
      largest.meet(relu_of(s.sums[r - tile.row][p % Engine::columns] + shift), int(r - of.first_window));
    const std::int64_t line = b + tile.row / Engine::rows;
    found.value[line * n + f] = largest.value;
    found.window[line * n + f] = largest.window;
  }
}
// end

/// One thread a text and filter: what its tiles found, in their order. Grid: texts · filters / 256 blocks of 256.
template <class T>
__global__ void __launch_bounds__(256) conv_max_combine(Candidates found, const std::int64_t* offsets, std::int64_t gap,
                                                        int tile_rows, View<T, 2> y, View<std::int32_t, 2> where) {
  const std::int64_t at = std::int64_t(blockIdx.x) * 256 + threadIdx.x, n = y.extent(1);
  if (at >= y.size()) return;
  const std::int64_t b = at / n, f = at % n;
  const auto of = TextOfBatch::of(offsets, b, gap);
  Largest largest;
  if (of.windows > 0)
    for (std::int64_t t = of.first_window / tile_rows; t <= (of.first_window + of.windows - 1) / tile_rows; ++t)
      largest.meet(found.value[(b + t) * n + f], found.window[(b + t) * n + f]);
  y.data[at] = T(largest.value);
  where.data[at] = largest.window < 0 ? 0 : largest.window;  // of no windows: a fault was recorded
}

/// One thread a text and filter: window after window. Grid: texts · filters / 256 blocks of 256.
template <class A, class B, class T>
__global__ void __launch_bounds__(256)
    conv_max_simple(A windows, B taps, const T* bias, std::int64_t depth, const std::int64_t* offsets, std::int64_t gap,
                    View<T, 2> y, View<std::int32_t, 2> where) {
  const std::int64_t at = std::int64_t(blockIdx.x) * 256 + threadIdx.x;
  if (at >= y.size()) return;
  const std::int64_t b = at / y.extent(1), f = at % y.extent(1);
  const auto of = TextOfBatch::of(offsets, b, gap);
  Largest largest;
  for (std::int64_t t = 0; t < of.windows; ++t) {
    float sum = 0;
    for (std::int64_t k = 0; k < depth; ++k)
      sum = fmaf(element(windows, of.first_window + t, k), element(taps, f, k), sum);
    largest.meet(relu_of(sum + (bias ? float(bias[f]) : 0.f)), int(t));
  }
  y.data[at] = T(largest.value);
  where.data[at] = largest.window < 0 ? 0 : largest.window;
}

/// What backward reads.
template <class T>
struct ConvMaxGradient {
  View<const T, 2> dz;                // [texts, filters]
  View<const std::int32_t, 2> where;  // [texts, filters]
  const std::int64_t* offsets;
  std::int64_t columns, width;
};

/// dtaps(f, :) = Σ_b dz(b, f) · window(b, where(b, f)). Grid: (width · E / (128 · pack), F, parts of the texts); block:
/// 128 threads, `pack` elements of the filter each. A thread's texts are added in order, parts by matmul_add_parts.
template <int pack, class T>
__global__ void __launch_bounds__(128)
    conv_max_weight(ConvMaxGradient<T> g, const T* x, std::int64_t texts_of_part, float* parts) {
  const std::int64_t length = g.width * g.columns, texts = g.dz.extent(0), filters = g.dz.extent(1), f = blockIdx.y;
  const std::int64_t at = (std::int64_t(blockIdx.x) * 128 + threadIdx.x) * pack;
  if (at >= length) return;
  const std::int64_t tap = at / g.columns, column = at % g.columns;
  const std::int64_t first = blockIdx.z * texts_of_part;
  const std::int64_t end = first + texts_of_part < texts ? first + texts_of_part : texts;
  float sums[pack] = {};
  for (std::int64_t b = first; b < end; ++b) {
    const float dz = float(g.dz.data[b * filters + f]);
    const std::int64_t row = g.where.data[b * filters + f] - (g.width - 1) + tap;  // counted in the text
    if (dz == 0 || row < 0 || g.offsets[b] + row >= g.offsets[b + 1]) continue;
    const auto there = load_pack<pack>(x + (g.offsets[b] + row) * g.columns + column);
    QUERN_UNROLL
    for (int e = 0; e < pack; ++e) sums[e] = fmaf(dz, float(there[e]), sums[e]);
  }
  float* to = parts + (blockIdx.z * filters + f) * length + at;
  QUERN_UNROLL
  for (int e = 0; e < pack; ++e) to[e] = sums[e];
}

/// One thread an element of dweight [F, E, width]: all texts in order.
template <class T>
__global__ void __launch_bounds__(256) conv_max_weight_simple(ConvMaxGradient<T> g, const T* x, View<T, 3> dweight) {
  const std::int64_t at = std::int64_t(blockIdx.x) * 256 + threadIdx.x, filters = g.dz.extent(1);
  if (at >= dweight.size()) return;
  const std::int64_t f = at / (g.columns * g.width), column = at / g.width % g.columns, tap = at % g.width;
  float sum = 0;
  for (std::int64_t b = 0; b < g.dz.extent(0); ++b) {
    const std::int64_t row = g.where.data[b * filters + f] - (g.width - 1) + tap;
    if (row < 0 || g.offsets[b] + row >= g.offsets[b + 1]) continue;
    sum = fmaf(float(g.dz.data[b * filters + f]), float(x[(g.offsets[b] + row) * g.columns + column]), sum);
  }
  dweight.data[at] = T(sum);
}

/// dx(s, :) = Σ_f dz(b, f) · tap of filter f over row s, where the window that won covers it. Grid: (N / 4, E / (64 ·
/// pack)); block: 4 warps, one a row of x. 32 filters at a time: each lane looks whether its filter's window covers the
/// row, then all lanes add the taps of those that do, in order; a lane has two packs of columns.
template <int pack, class T>
__global__ void __launch_bounds__(128) conv_max_x(ConvMaxGradient<T> g, const T* taps, const std::int32_t* padded,
                                                  const std::int32_t* text, View<T, 2> dx) {
  const std::int64_t row = std::int64_t(blockIdx.x) * 4 + warp_of_thread();
  if (row >= dx.extent(0)) return;
  const std::int64_t filters = g.dz.extent(1), length = g.width * g.columns, b = text[padded[row]];
  const int last_window = int(row - g.offsets[b] + g.width - 1);  // that covers the row, with its tap 0
  const std::int64_t column[2] = {(std::int64_t(blockIdx.y) * 64 + lane_of_thread()) * pack,
                                  (std::int64_t(blockIdx.y) * 64 + 32 + lane_of_thread()) * pack};
  float sums[2][pack] = {};
  for (std::int64_t f0 = 0; f0 < filters; f0 += 32) {
    const std::int64_t mine = f0 + lane_of_thread();
    float dz = 0;
    int tap = -1;
    if (mine < filters) {
      dz = float(g.dz.data[b * filters + mine]);
      tap = last_window - g.where.data[b * filters + mine];
    }
    unsigned covering = __ballot_sync(full_mask, dz != 0 && tap >= 0 && tap < g.width);
    for (; covering != 0; covering &= covering - 1) {
      const int lane = __ffs(int(covering)) - 1;
      const float factor = warp_broadcast(dz, lane);
      const T* from = taps + (f0 + lane) * length + warp_broadcast(tap, lane) * g.columns;
      QUERN_UNROLL
      for (int p = 0; p < 2; ++p) {
        if (column[p] >= g.columns) continue;
        const auto there = load_pack<pack>(from + column[p]);
        QUERN_UNROLL
        for (int e = 0; e < pack; ++e) sums[p][e] = fmaf(factor, float(there[e]), sums[p][e]);
      }
    }
  }
  QUERN_UNROLL
  for (int p = 0; p < 2; ++p) {
    if (column[p] >= g.columns) continue;
    Pack<T, pack> out;
    QUERN_UNROLL
    for (int e = 0; e < pack; ++e) out[e] = T(sums[p][e]);
    store_pack(dx.data + row * g.columns + column[p], out);
  }
}

/// One thread an element of dx: all filters in order.
template <class T>
__global__ void __launch_bounds__(256)
    conv_max_x_simple(ConvMaxGradient<T> g, const T* taps, const std::int32_t* padded, const std::int32_t* text,
                      View<T, 2> dx) {
  const std::int64_t at = std::int64_t(blockIdx.x) * 256 + threadIdx.x, filters = g.dz.extent(1);
  if (at >= dx.size()) return;
  const std::int64_t row = at / g.columns, column = at % g.columns, b = text[padded[row]];
  float sum = 0;
  for (std::int64_t f = 0; f < filters; ++f) {
    const std::int64_t tap = row - g.offsets[b] + g.width - 1 - g.where.data[b * filters + f];
    if (tap >= 0 && tap < g.width)
      sum = fmaf(float(g.dz.data[b * filters + f]), float(taps[(f * g.width + tap) * g.columns + column]), sum);
  }
  dx.data[at] = T(sum);
}

}  // namespace quern::inline QUERN_ABI::kernels
