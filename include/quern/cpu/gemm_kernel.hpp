/// The inner part of the fp32 matrix product: packing, and the product of a block that fits the caches.
///
///   pack<V>(false, columns, depth, b, b_row, b_column, packed);      // once, shared by all rows
///   multiply_block<V>(block);               // C[rows, columns] (+)= A[rows, depth] B[depth, columns]
///
/// A tile of C, 12 rows x 2 vectors with AVX-512 (24 sums in 32 registers), 6 x 2 with AVX2, 4 x 2 without either,
/// stays in registers while k runs over the depth of the block: each step loads two vectors of B and broadcasts one
/// element of each row of A. Every element of C is the same chain of fma, whatever tile it falls into: a row's result
/// does not depend on its batch.
#pragma once
#include <algorithm>
#include <cstdint>

#include <quern/base/activation.hpp>
#include <quern/cpu/vec.hpp>

namespace quern::inline QUERN_ABI::cpu::detail {

/// The layout that kernels of one instruction set expect.
struct TileShape {
  int rows, width;  // rows of a tile; floats in a vector. A tile is two vectors wide, at the right edge perhaps one.
};
template <class V>
constexpr TileShape tile_shape = {V::width == 16  ? 12
                                  : V::width == 8 ? 6
                                                  : 4,
                                  V::width};  // rows fit one vector

/// One block of C and what is multiplied into it.
struct Block {
  std::int64_t rows, columns, depth;
  const float* a;
  std::int64_t a_row, a_column, a_tile;  // steps in a: to the next row of a tile, the next k, the next tile of rows
  const float* b;
  std::int64_t b_row, b_column;  // steps in b: to the next k (0: packed, the panel's width), to the next column's panel
  float* c;
  std::int64_t ldc;
  bool add;  // to what C holds
  const float* bias;
  Activation activation;
};

/// C[R, columns] (+)= A[R, depth] B[depth, columns] for columns in ((NV - 1) * width, NV * width].
template <class V, int R, int NV>
QUERN_INLINE void multiply_tile(const Block& t, const float* a, const float* b, std::int64_t b_row, float* c,
                                const float* bias, int columns) {
  const std::int64_t a_row = t.a_row, a_column = t.a_column, ldc = t.ldc;
  V sum[R][NV];
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) sum[i][j] = V(0);

  const float* rows[(R + 2) / 3];  // one pointer for three rows: x86 addresses reach the others
#pragma GCC unroll 16
  for (int i = 0; i < (R + 2) / 3; ++i) rows[i] = a + 3 * i * a_row;
#pragma GCC unroll 1
  for (std::int64_t k = t.depth; k > 0; --k) {
    V bk[NV];
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) bk[j] = V::load(b + j * V::width);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const V aik(rows[i / 3][i % 3 * a_row]);
#pragma GCC unroll 2
      for (int j = 0; j < NV; ++j) sum[i][j] = aik.fma(bk[j], sum[i][j]);
    }
    b += b_row;
#pragma GCC unroll 16
    for (int i = 0; i < (R + 2) / 3; ++i) rows[i] += a_column;
  }

  const int last = columns - (NV - 1) * V::width;
#pragma GCC unroll 2
  for (int j = 0; j < NV; ++j) {
    const int count = j + 1 < NV ? V::width : last;
    float* cj = c + j * V::width;
    if (t.add)
#pragma GCC unroll 16
      for (int i = 0; i < R; ++i) sum[i][j] = V::load(cj + i * ldc, count) + sum[i][j];
    if (bias) {
      const V bj = V::load(bias + j * V::width, count);
#pragma GCC unroll 16
      for (int i = 0; i < R; ++i) sum[i][j] = sum[i][j] + bj;
    }
    if (t.activation == Activation::relu)
#pragma GCC unroll 16
      for (int i = 0; i < R; ++i) sum[i][j] = V(0).max(sum[i][j]);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) sum[i][j].store(cj + i * ldc, count);
  }
}

/// A column of tiles: all rows against one panel of B.
template <class V, int NV>
QUERN_INLINE void multiply_panel(const Block& t, const float* b, float* c, const float* bias, int columns) {
  constexpr int R = tile_shape<V>.rows;
  const std::int64_t b_row = t.b_row ? t.b_row : NV * V::width;
  const float* a = t.a;
  std::int64_t left = t.rows;
  for (; left >= R; left -= R, a += t.a_tile, c += R * t.ldc) multiply_tile<V, R, NV>(t, a, b, b_row, c, bias, columns);
  if (left >= R / 2) {
    multiply_tile<V, R / 2, NV>(t, a, b, b_row, c, bias, columns);
    left -= R / 2, a += R / 2 * t.a_row, c += R / 2 * t.ldc;
  }
  for (; left > 0; --left, a += t.a_row, c += t.ldc) multiply_tile<V, 1, NV>(t, a, b, b_row, c, bias, columns);
}

/// All panels of B stay in the second-level cache or beyond; one at a time is read into the first, for all rows.
template <class V>
QUERN_INLINE void multiply_block(const Block& t) {
  for (std::int64_t j = 0; j < t.columns; j += 2 * V::width) {
    const std::int64_t columns = std::min<std::int64_t>(t.columns - j, 2 * V::width);
    const float* bias = t.bias ? t.bias + j : nullptr;
    if (columns > V::width)
      multiply_panel<V, 2>(t, t.b + j * t.b_column, t.c + j, bias, int(columns));
    else
      multiply_panel<V, 1>(t, t.b + j * t.b_column, t.c + j, bias, int(columns));
  }
}

/// width x width floats, x[i] becoming column i: each round interleaves rows of the two halves.
template <class V>
QUERN_INLINE void transpose(V (&x)[V::width]) {
  constexpr int half = V::width / 2;
#pragma GCC unroll 4
  for (int step = 1; step < V::width; step *= 2) {
    V y[V::width];
#pragma GCC unroll 8
    for (int i = 0; i < half; ++i) {
      y[2 * i] = x[i].interleave_lower(x[i + half]);
      y[2 * i + 1] = x[i].interleave_upper(x[i + half]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < V::width; ++i) x[i] = y[i];
  }
}

/// Lays out `count` (at most a vector) rows or columns of an operand side by side: out[k * step + i] = in(k, i) for
/// k < depth, i < padded, zero beyond count. in(k, i) is in[k * along + i * across], one of the two strides is 1.
template <class V>
QUERN_INLINE void pack_strip(std::int64_t depth, int count, int padded, std::int64_t step, const float* in,
                             std::int64_t along, std::int64_t across, float* out) {
  std::int64_t k = 0;
  if (across == 1) {
    for (; k < depth; ++k) V::load(in + k * along, count).store(out + k * step, padded);
    return;
  }
  for (; k < depth; k += V::width) {
    const int deep = int(std::min<std::int64_t>(depth - k, V::width));
    V x[V::width];
#pragma GCC unroll 16
    for (int i = 0; i < V::width; ++i) {
      x[i] = V(0);
      if (i < count) x[i] = V::load(in + i * across + k, deep);
    }
    transpose<V>(x);
#pragma GCC unroll 16
    for (int i = 0; i < V::width; ++i)
      if (i < deep) x[i].store(out + (k + i) * step, padded);
  }
}

/// Packs an operand: A [count, depth] into tiles of `tile_shape.rows` rows, or B [depth, count] into panels of two
/// vectors, the last of one if that is enough. One body for both, as it is long and compiled for each instruction set.
template <class V>
QUERN_INLINE void pack(bool of_a, std::int64_t count, std::int64_t depth, const float* in, std::int64_t along,
                       std::int64_t across, float* out) {
  const int strip = of_a ? tile_shape<V>.rows : V::width;
  const std::int64_t panel = of_a ? strip : 2 * strip;
  for (std::int64_t j = 0; j < count; j += panel) {
    const std::int64_t left = count - j, step = left > strip ? panel : strip;
    for (std::int64_t s = 0; s < step; s += strip)
      pack_strip<V>(depth, int(std::min<std::int64_t>(left - s, strip)), strip, step, in + (j + s) * across, along,
                    across, out + j * depth + s);
  }
}

}  // namespace quern::inline QUERN_ABI::cpu::detail
