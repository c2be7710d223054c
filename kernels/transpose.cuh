/// Kernels of transpose. Both matrices are walked along their rows, 128 bytes a warp; a tile in shared memory turns one
/// into the other.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

#include "kernels/device/memory.cuh"
#include "kernels/device/warp.cuh"
#include "kernels/launch.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// How many elements a lane moves at once: 4 bytes of them.
template <class T>
inline constexpr int transpose_word = 4 / int(sizeof(T));
/// 32 words a row, and as many rows as elements: 32 × 32 float, 64 × 64 bf16.
template <class T>
inline constexpr int transpose_tile = 32 * transpose_word<T>;

/// One element more than the tile has columns. So the elements of a column lie in different banks: 33 words apart for
/// float; for bf16 every second one is 65 words on, the pair of rows that makes one word of the result.
template <class T>
struct TransposeShared {
  T tile[transpose_tile<T>][transpose_tile<T> + 1];
};

inline constexpr int transpose_threads = 256;

/// `count` of the elements beside each other at `p`, as one word where `whole`.
template <class T>
__device__ __forceinline__ Pack<T, transpose_word<T>> load_word(const T* p, std::int64_t count, bool whole) {
  constexpr int word = transpose_word<T>;
  if (whole && count >= word) return load_pack<word>(p);
  Pack<T, word> out;
  for (int j = 0; j < word; ++j) out[j] = j < count ? p[j] : T(0.f);
  return out;
}
template <class T>
__device__ __forceinline__ void store_word(T* p, const Pack<T, transpose_word<T>>& x, std::int64_t count, bool whole) {
  constexpr int word = transpose_word<T>;
  if (whole && count >= word) return store_pack(p, x);
  for (int j = 0; j < word; ++j)
    if (j < count) p[j] = x[j];
}

/// y(o, c, r) = x(o, r, c). One-dimensional grid: a block for each tile, those of a band of rows one after another, the
/// matrices one after another. Block transpose_threads: each warp takes every eighth row of the tile, its lanes the
/// words of the row; after the barrier every eighth column. `whole_in`, `whole_out`: all rows of x, or of y, begin at a
/// multiple of a word.
template <class T>
__global__ void __launch_bounds__(transpose_threads)
    transpose(View<const T, 3> x, View<T, 3> y, bool whole_in, bool whole_out) {
  constexpr int word = transpose_word<T>, tile = transpose_tile<T>, warps = transpose_threads / warp_size;
  auto& s = shared_memory<TransposeShared<T>>();
  const std::int64_t rows = x.extents[1], columns = x.extents[2];
  const unsigned across = unsigned((columns + tile - 1) / tile), down = unsigned((rows + tile - 1) / tile);
  const std::int64_t left = std::int64_t(blockIdx.x % across) * tile;
  const std::int64_t top = std::int64_t(blockIdx.x / across % down) * tile;
  const std::int64_t matrix = std::int64_t(blockIdx.x / across / down) * rows * columns;
  const int lane = lane_of_thread() * word, warp = warp_of_thread();

  Pack<T, word> in[tile / warps];
  for (int k = 0; k < tile / warps; ++k) {
    const std::int64_t row = top + warp + k * warps;
    if (row < rows) in[k] = load_word(x.data + matrix + row * columns + left + lane, columns - left - lane, whole_in);
  }
  for (int k = 0; k < tile / warps; ++k)
    for (int j = 0; j < word; ++j) s.tile[warp + k * warps][lane + j] = in[k][j];
  __syncthreads();
  for (int k = 0; k < tile / warps; ++k) {
    const int c = warp + k * warps;
    Pack<T, word> out;
    for (int j = 0; j < word; ++j) out[j] = s.tile[lane + j][c];
    if (left + c < columns)
      store_word(y.data + matrix + (left + c) * rows + top + lane, out, rows - top - lane, whole_out);
  }
}

/// One thread an element of y.
template <class T>
__global__ void transpose_slow(View<const T, 3> x, View<T, 3> y) {
  const std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= y.size()) return;
  const std::int64_t r = i % y.extents[2], c = i / y.extents[2] % y.extents[1], o = i / y.extents[2] / y.extents[1];
  y.data[i] = x(o, r, c);
}

}  // namespace quern::inline QUERN_ABI::kernels
