/// What a warp's tensor cores take from a tile in shared memory.
///
///   std::uint32_t a[4], b[2][2];
///   Fragments<bf16, true>::load_a(a, tile, stride, row, k);        // a [16, 16] of a tile whose lines are rows
///   Fragments<bf16, true>::load_b(b, tile, stride, column, k);     // two of b [16, 8], of a tile whose lines are
///   columns mma<bf16>(sums[0], a, b[0]), mma<bf16>(sums[1], a, b[1]);
#pragma once
#include "kernels/device/mma.cuh"
#include "kernels/device/warp.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// Fragments of a tile in shared memory, whose lines stand `stride` elements apart.
template <class T, bool k_inside>
struct Fragments;

/// bf16: 16 of K a step. ldmatrix hands out 8 x 8 blocks; where K numbers the lines it turns them.
template <bool k_inside>
struct Fragments<bf16, k_inside> {
  using Multiplied = bf16;
  static constexpr int depth = 16;

  /// a [16, 16], from `row` and `k` on.
  __device__ __forceinline__ static void load_a(std::uint32_t (&a)[4], const bf16* tile, int stride, int row, int k) {
    const int lane = lane_of_thread();
    if constexpr (k_inside) {
      ldmatrix(a, tile + (row + lane % 16) * stride + k + lane / 16 * 8);
    } else {
      ldmatrix_transposed(a, tile + (k + lane % 8 + lane / 16 * 8) * stride + row + lane / 8 % 2 * 8);
    }
  }
  /// Two of b [16, 8], side by side.
  __device__ __forceinline__ static void load_b(std::uint32_t (&b)[2][2], const bf16* tile, int stride, int column,
                                                int k) {
    const int lane = lane_of_thread();
    std::uint32_t both[4];
    if constexpr (k_inside) {
      ldmatrix(both, tile + (column + lane % 8 + lane / 16 * 8) * stride + k + lane / 8 % 2 * 8);
    } else {
      ldmatrix_transposed(both, tile + (k + lane % 8 + lane / 8 % 2 * 8) * stride + column + lane / 16 * 8);
    }
    b[0][0] = both[0], b[0][1] = both[1], b[1][0] = both[2], b[1][1] = both[3];
  }
};

/// tf32: 8 of K a step. There is no ldmatrix that turns 32-bit elements: each lane loads its own.
template <bool k_inside>
struct Fragments<float, k_inside> {
  using Multiplied = tf32_bits;
  static constexpr int depth = 8;

  __device__ __forceinline__ static std::uint32_t at(const float* tile, int stride, int i, int k) {
    return to_tf32(k_inside ? tile[i * stride + k] : tile[k * stride + i]);
  }
  __device__ __forceinline__ static void load_a(std::uint32_t (&a)[4], const float* tile, int stride, int row, int k) {
    const int i = row + lane_of_thread() / 4, l = k + lane_of_thread() % 4;
    a[0] = at(tile, stride, i, l), a[1] = at(tile, stride, i + 8, l);
    a[2] = at(tile, stride, i, l + 4), a[3] = at(tile, stride, i + 8, l + 4);
  }
  __device__ __forceinline__ static void load_b(std::uint32_t (&b)[2][2], const float* tile, int stride, int column,
                                                int k) {
    const int j = column + lane_of_thread() / 4, l = k + lane_of_thread() % 4;
    for (int n = 0; n < 2; ++n) b[n][0] = at(tile, stride, j + 8 * n, l), b[n][1] = at(tile, stride, j + 8 * n, l + 4);
  }
};

}  // namespace quern::inline QUERN_ABI::kernels
