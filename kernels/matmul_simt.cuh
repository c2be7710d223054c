/// The first rungs of the ladder of matmul: the cores' own fused multiply-adds, exact in float. Each is a whole
/// product; docs/kernels.md walks up. All three add the products of an element in the order of K: they have the same
/// bits.
#pragma once
#include "kernels/matmul_operands.cuh"
#include "kernels/matmul_output.cuh"

namespace quern::inline QUERN_ABI::kernels {

// snippet: kernel-naive
/// Grid: m · n / 256 blocks of 256 threads; thread t of the grid computes element (t / n, t % n).
template <class A, class B, class T>
__global__ void __launch_bounds__(256) matmul_naive(A a, B b, MatmulOutput<T> out, std::int64_t depth) {
  const std::int64_t t = std::int64_t(blockIdx.x) * 256 + threadIdx.x;
  const std::int64_t i = t / out.n, j = t % out.n;
  if (i >= out.m) return;
  float sum = 0;
  for (std::int64_t k = 0; k < depth; ++k) sum = fmaf(element(a, i, k), element(b, j, k), sum);
  out.store(i, j, 0, sum);
}
// end

// snippet: kernel-tiled
struct TiledShared {
  float a[16][17], b[16][17];  // one column more than is used: threads of a warp meet different banks
};

/// Grid: tiles of 16 x 16; block: 256 threads, one an element. Each element of A and B is loaded once for 16 uses.
template <class A, class B, class T>
__global__ void __launch_bounds__(256) matmul_tiled(A a, B b, MatmulOutput<T> out, std::int64_t depth) {
  auto& s = shared_memory<TiledShared>();
  const TilePlace tile = tile_of_block(16, 16, out.m, out.n, depth, depth);
  const int x = int(threadIdx.x) % 16, y = int(threadIdx.x) / 16;
  float sum = 0;
  for (std::int64_t k = 0; k < depth; k += 16) {
    s.a[y][x] = tile.row + y < out.m && k + x < depth ? element(a, tile.row + y, k + x) : 0.f;
    s.b[y][x] = tile.column + y < out.n && k + x < depth ? element(b, tile.column + y, k + x) : 0.f;
    __syncthreads();  // the tiles are whole
    for (int l = 0; l < 16; ++l) sum = fmaf(s.a[y][l], s.b[x][l], sum);
    __syncthreads();  // everybody has read them: the next ones may come
  }
  out.store(tile.row + y, tile.column + x, 0, sum);
}
// end

/// A tile of `rows` x `columns` by the cores. Warps stand side by side over it, each with 64 x 32; a thread has 8 x 8
/// of those in registers, as 2 x 2 groups of 4 x 4: so 16 bytes of shared memory serve 16 multiply-adds.
template <int rows_, int columns_>
struct RegisterBlocked {
  static constexpr int rows = rows_, columns = columns_, depth = 8;
  static constexpr int warps_across = columns / 32, threads = rows / 64 * warps_across * 32;
  static constexpr int blocks_wanted = threads == 64 ? 6 : 512 / threads;  // on a multiprocessor: about 128 registers

  struct Shared {
    // K numbers the lines of both, whatever it does in memory: a thread reads neighbours. The 4 columns more keep
    // writes across the lines apart.
    alignas(16) float a[2][depth][rows + 4];
    alignas(16) float b[2][depth][columns + 4];
  };
  using Staged = float[rows][columns + 8];
  float sums[8][8] = {};

  /// The first of this thread's rows and columns within the tile.
  __device__ static int row_of_thread() {
    return int(threadIdx.x) / 32 / warps_across * 64 + int(threadIdx.x) % 32 / 4 * 4;
  }
  __device__ static int column_of_thread() {
    return int(threadIdx.x) / 32 % warps_across * 32 + int(threadIdx.x) % 4 * 4;
  }

  // snippet: kernel-register-blocked
  /// All threads call. Adds to `sums` what K from k_begin to k_end brings. Two stages of shared memory: while one is
  /// computed with, the loads of the next are under way to registers.
  template <int width, class A, class B>
  __device__ void run(Shared& s, const A& a, const B& b, std::int64_t m, std::int64_t n, const TilePlace& tile) {
    CarriedTile<threads, rows, depth, width, A> next_a;
    CarriedTile<threads, columns, depth, width, B> next_b;
    const int rows_left = left_of(tile.row, m, rows), columns_left = left_of(tile.column, n, columns);
    const auto fetch = [&](int k) {
      const int depth_left = left_of(k, tile.k_end, depth);
      next_a.fetch(a, {tile.row, k, rows_left, depth_left});
      next_b.fetch(b, {tile.column, k, columns_left, depth_left});
    };
    const auto put = [&](int stage) {
      put_tile<A::k_inside>(next_a, s.a[stage]);
      put_tile<B::k_inside>(next_b, s.b[stage]);
    };
    if (tile.k_begin < tile.k_end) fetch(tile.k_begin), put(0);
    __syncthreads();
    int stage = 0;
    for (int k = tile.k_begin; k < tile.k_end; k += depth, stage ^= 1) {
      const bool more = k + depth < tile.k_end;
      if (more) fetch(k + depth);
      multiply(s.a[stage], s.b[stage]);
      if (more) put(stage ^ 1);  // nobody reads that stage any more: all have passed the barrier since
      __syncthreads();
    }
  }

  __device__ void multiply(const float (&a)[depth][rows + 4], const float (&b)[depth][columns + 4]) {
    const int i = row_of_thread(), j = column_of_thread();
    QUERN_UNROLL
    for (int k = 0; k < depth; ++k) {
      const Pack<float, 4> y[2] = {load_pack<4>(&b[k][j]), load_pack<4>(&b[k][j + 16])};
      QUERN_UNROLL
      for (int h = 0; h < 2; ++h) {
        const auto x = load_pack<4>(&a[k][i + 32 * h]);
        QUERN_UNROLL
        for (int r = 0; r < 4; ++r) {
          QUERN_UNROLL
          for (int c = 0; c < 8; ++c) sums[4 * h + r][c] = fmaf(x[r], y[c / 4][c % 4], sums[4 * h + r][c]);
        }
      }
    }
  }
  // end

  /// Into lines of K: an operand whose lines are rows is turned on the way.
  template <bool k_inside, class Tile, int length>
  __device__ static void put_tile(const Tile& tile, float (&lines)[depth][length]) {
    tile.each([&](int line, int inside, const auto& pack) {
      constexpr int width = sizeof(pack.e) / sizeof(pack.e[0]);
      Pack<float, width> wide;
      QUERN_UNROLL
      for (int e = 0; e < width; ++e) wide[e] = float(pack[e]);
      if constexpr (k_inside) {
        QUERN_UNROLL
        for (int e = 0; e < width; ++e) lines[inside + e][line] = wide[e];
      } else {
        store_pack(&lines[line][inside], wide);
      }
    });
  }

  /// f(i, j, sums) for each group of 4 neighbours in a row, counted within the tile.
  static constexpr int group = 4;
  template <class F>
  __device__ void each_group(Shared&, const F& f) const {
    each_group(f);
  }
  template <class F>
  __device__ void each_group(const F& f) const {
    QUERN_UNROLL
    for (int r = 0; r < 8; ++r) {
      QUERN_UNROLL
      for (int c = 0; c < 8; c += 4) {
        const float four[4] = {sums[r][c], sums[r][c + 1], sums[r][c + 2], sums[r][c + 3]};
        f(row_of_thread() + r / 4 * 32 + r % 4, column_of_thread() + c / 4 * 16, four);
      }
    }
  }

  /// All threads call: the sums of the whole tile to shared memory, where all may read them after a barrier.
  __device__ void stage(Staged& staged) const {
    each_group([&](int i, int j, const auto& sums) {
      store_pack(&staged[i][j], Pack<float, 4>{sums[0], sums[1], sums[2], sums[3]});
    });
  }
};

}  // namespace quern::inline QUERN_ABI::kernels
