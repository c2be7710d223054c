/// What becomes of a product's sums: bias, function and residual while they are in registers, or the store as one part
/// of a sum over K whose parts another kernel adds.
#pragma once
#include <quern/cuda/matmul_variant.hpp>

#include "kernels/device/memory.cuh"
#include "kernels/matmul_operands.cuh"

namespace quern::inline QUERN_ABI::kernels {

using cuda::MatmulFunction;

/// y = function(sum + bias) + residual. Bias and residual may be null.
template <class T>
struct MatmulOutput {
  T* y;  // [m, n]
  std::int64_t m, n;
  const T* bias;      // [n]
  const T* residual;  // [m, n]
  MatmulFunction function;
  float* parts;  // [splits, m, n], or null: the sums are whole
  bool packs;    // whether y, bias and residual can be taken 16 bytes at a time

  __device__ __forceinline__ float finished(float sum, float bias_there, float residual_there) const {
    sum += bias_there;
    if (function == MatmulFunction::relu) sum = sum < 0 ? 0.f : sum + 0.f;  // NaN stays; -0 becomes 0
    if (function == MatmulFunction::gelu) {
      const float x = sum < -20 ? -20.f : sum;  // no product of infinity and 0
      sum = x * (0.5f + 0.5f * erff(0.70710678f * x));
    }
    return sum + residual_there;
  }
  __device__ __forceinline__ float finished(float sum, std::int64_t i, std::int64_t j) const {
    return finished(sum, bias ? float(bias[j]) : 0.f, residual ? float(residual[i * n + j]) : 0.f);
  }

  /// Element (i, j); `part` is the number of this block's part of K.
  __device__ __forceinline__ void store(std::int64_t i, std::int64_t j, int part, float sum) const {
    if (i >= m || j >= n) return;
    if (parts) {
      parts[(part * m + i) * n + j] = sum;
    } else {
      y[i * n + j] = T(finished(sum, i, j));
    }
  }

  /// `width` neighbours of row i. Where `packs`, rows end at a multiple of it.
  template <int width>
  __device__ __forceinline__ void store_row(std::int64_t i, std::int64_t j, int part,
                                            const float (&sums)[width]) const {
    if (i >= m || j >= n) return;
    if (!packs) {
      QUERN_UNROLL
      for (int c = 0; c < width; ++c) store(i, j + c, part, sums[c]);
    } else if (parts) {
      QUERN_UNROLL
      for (int c = 0; c < width; c += 4)
        store_pack(parts + (part * m + i) * n + j + c, Pack<float, 4>{sums[c], sums[c + 1], sums[c + 2], sums[c + 3]});
    } else {
      Pack<T, width> more{}, shift{}, out;
      if (bias) shift = load_pack<width>(bias + j);
      if (residual) more = load_pack<width>(residual + i * n + j);
      QUERN_UNROLL
      for (int c = 0; c < width; ++c) out[c] = T(finished(sums[c], float(shift[c]), float(more[c])));
      store_pack(y + i * n + j, out);
    }
  }
};

/// Which tile of y a block computes, and which part of K it sums. In 32 bits: they stay in registers all along.
struct TilePlace {
  int row, column, k_begin, k_end, part;
};
/// So extents are at most this.
inline constexpr std::int64_t largest_extent = (std::int64_t{1} << 31) - 1024;

/// Tile number `index` of `height` x `width`: numbered down the rows in groups of 8 rows of tiles. Blocks that run at
/// the same time then share both their rows of A and their columns of B in the second-level cache.
__device__ __forceinline__ TilePlace tile_at(std::int64_t index, int part, int height, int width, std::int64_t m,
                                             std::int64_t n, std::int64_t k, std::int64_t depth_of_part) {
  const std::int64_t down = (m + height - 1) / height, across = (n + width - 1) / width;
  const std::int64_t group = index / (8 * across), first = group * 8, in_group = index % (8 * across);
  const std::int64_t high = down - first < 8 ? down - first : 8;
  const std::int64_t k_begin = part * depth_of_part, k_end = k_begin + depth_of_part < k ? k_begin + depth_of_part : k;
  return {int(first + in_group % high) * height, int(in_group / high) * width, int(k_begin), int(k_end), part};
}

/// Of a grid of (tiles, parts).
__device__ __forceinline__ TilePlace tile_of_block(int height, int width, std::int64_t m, std::int64_t n,
                                                   std::int64_t k, std::int64_t depth_of_part) {
  return tile_at(blockIdx.x, int(blockIdx.y), height, width, m, n, k, depth_of_part);
}

/// The second pass of a product whose K was cut: the parts are added in their order, so the bits are the same every
/// time. Grid: m · n / 256 blocks of 256; one thread an element. `place(i, j)` is where in y it goes.
template <class T, class Place>
__global__ void __launch_bounds__(256) matmul_add_parts(MatmulOutput<T> out, int parts, Place place) {
  const std::int64_t at = std::int64_t(blockIdx.x) * 256 + threadIdx.x, size = out.m * out.n;
  if (at >= size) return;
  float sum = 0;
  for (int p = 0; p < parts; ++p) sum += out.parts[p * size + at];
  const std::int64_t i = at / out.n, j = at % out.n;
  out.y[place(i, j)] = T(out.finished(sum, i, j));
}

}  // namespace quern::inline QUERN_ABI::kernels
