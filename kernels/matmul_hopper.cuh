/// The last rung of the ladder of matmul, for sm_90a: products of bf16 matrices along whose lines K runs, by TMA and
/// wgmma. Of three warpgroups one feeds a ring of stages, two multiply; blocks stay and take tile after tile, so the
/// next tile is on its way while this one's sums are written.
#pragma once
#include "kernels/device/pipeline.cuh"
#include "kernels/device/warp.cuh"
#include "kernels/device/wgmma.cuh"
#include "kernels/matmul_output.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// Tiles of 128 x `columns_`, 64 of K a stage: 128 bytes, as wide as the swizzle.
template <int columns_, int stages_>
struct HopperTile {
  static constexpr int rows = 128, columns = columns_, depth = 64, stages = stages_, threads = 384;
  static constexpr unsigned stage_bytes = (rows + columns) * depth * sizeof(bf16);

  struct Shared {
    alignas(1024) bf16 a[stages][rows][depth];
    alignas(1024) bf16 b[stages][columns][depth];
    alignas(16) bf16 finished[rows][columns + 8];  // what is written, 16 rows a warp; 16 bytes more against conflicts
    MBarrier full[stages], empty[stages];
  };
};

/// How the work is cut: tiles of y times parts of K.
struct HopperWork {
  std::int64_t depth, depth_of_part, tiles;
  int parts;
};

/// f(tile) for each piece of this block's work.
template <class Tile, class F>
__device__ __forceinline__ void each_piece(const HopperWork& work, std::int64_t m, std::int64_t n, const F& f) {
  for (std::int64_t w = blockIdx.x; w < work.tiles * work.parts; w += gridDim.x)
    f(tile_at(w % work.tiles, int(w / work.tiles), Tile::rows, Tile::columns, m, n, work.depth, work.depth_of_part));
}

// snippet: kernel-hopper
/// One thread: copies to the stages, as far ahead as they are free.
template <class Tile>
__device__ __forceinline__ void feed(typename Tile::Shared& s, const TensorMap& a, const TensorMap& b, std::int64_t m,
                                     std::int64_t n, const HopperWork& work) {
  int stage = 0;
  unsigned round = 0;
  each_piece<Tile>(work, m, n, [&](const TilePlace& tile) {
    for (int k = tile.k_begin; k < tile.k_end; k += Tile::depth) {
      mbarrier_wait(s.empty[stage], (round & 1) ^ 1);  // in the first round all are free
      mbarrier_arrive_expect(s.full[stage], Tile::stage_bytes);
      tma_load(&s.a[stage], a, s.full[stage], k, tile.row);
      tma_load(&s.b[stage], b, s.full[stage], k, tile.column);
      if (++stage == Tile::stages) stage = 0, ++round;
    }
  });
}

/// A warpgroup: 64 rows of every tile. One stage's products are under way while the next one's are begun; a stage is
/// free again when the products after it have been begun and its own are over.
template <class Tile, class Write>
__device__ __forceinline__ void multiply_stages(typename Tile::Shared& s, int first_row, std::int64_t m, std::int64_t n,
                                                const HopperWork& work, const Write& write) {
  int stage = 0, before = -1;
  unsigned round = 0;
  const auto release = [&](int which) {
    if (which >= 0 && lane_of_thread() == 0) mbarrier_arrive(s.empty[which]);
  };
  each_piece<Tile>(work, m, n, [&](const TilePlace& tile) {
    float sums[Tile::columns / 2];
    for (int k = tile.k_begin; k < tile.k_end; k += Tile::depth) {
      mbarrier_wait(s.full[stage], round & 1);
      wgmma_fence();
      QUERN_UNROLL
      for (int l = 0; l < Tile::depth; l += 16)
        wgmma<bf16, Tile::columns>(sums, wgmma_descriptor(&s.a[stage][first_row][l]),
                                   wgmma_descriptor(&s.b[stage][0][l]), k > tile.k_begin || l > 0);
      wgmma_commit();
      wgmma_wait<1>(sums);
      release(before);
      before = stage;
      if (++stage == Tile::stages) stage = 0, ++round;
    }
    wgmma_wait<0>(sums);
    release(before);
    before = -1;
    write(tile, sums);
  });
}
// end

/// A warp: its 16 rows, from registers by way of shared memory to y, whole lines at a time; parts of K as they are.
template <class Tile>
__device__ __forceinline__ void write_rows(typename Tile::Shared& s, int first_row, const TilePlace& tile,
                                           const MatmulOutput<bf16>& out, const float (&sums)[Tile::columns / 2]) {
  const int row = first_row + warp_of_thread() % 4 * 16 + lane_of_thread() / 4, column = lane_of_thread() % 4 * 2;
  QUERN_UNROLL
  for (int i = 0; i < Tile::columns / 2; i += 2) {
    const int r = row + i / 2 % 2 * 8, c = column + i / 4 * 8;
    const std::int64_t at = tile.row + r, j = tile.column + c;
    if (out.parts) {
      out.store(at, j, tile.part, sums[i]), out.store(at, j + 1, tile.part, sums[i + 1]);
    } else if (at < out.m) {
      const float x = j < out.n ? out.finished(sums[i], at, j) : 0.f;
      const float y = j + 1 < out.n ? out.finished(sums[i + 1], at, j + 1) : 0.f;
      store_pack(&s.finished[r][c], Pack<bf16, 2>{bf16(x), bf16(y)});
    }
  }
  if (out.parts) return;
  __syncwarp();
  for (int t = lane_of_thread(); t < 16 * Tile::columns / 8; t += 32) {
    const int r = first_row + warp_of_thread() % 4 * 16 + t / (Tile::columns / 8), c = t % (Tile::columns / 8) * 8;
    const std::int64_t at = tile.row + r, j = tile.column + c;
    if (at >= out.m) continue;
    if (out.packs) {
      if (j < out.n) store_pack(out.y + at * out.n + j, load_pack<8>(&s.finished[r][c]));
    } else {
      for (int e = 0; e < 8 && j + e < out.n; ++e) out.y[at * out.n + j + e] = s.finished[r][c + e];
    }
  }
  __syncwarp();  // before the next tile's numbers come
}

/// Grid: as many blocks as multiprocessors, or pieces if they are fewer; block: 384 threads. Warpgroup 0 feeds, 1 and 2
/// multiply. K is at least 1.
template <class Tile>
__global__ void __launch_bounds__(Tile::threads, 1)
    matmul_hopper(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, MatmulOutput<bf16> out,
                  HopperWork work) {
  auto& s = shared_memory<typename Tile::Shared>();
  if (threadIdx.x == 0) {
    for (int i = 0; i < Tile::stages; ++i) mbarrier_init(s.full[i], 1), mbarrier_init(s.empty[i], 8);
    fence_mbarrier_init();
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    give_registers_back<40>();
    if (threadIdx.x == 0) feed<Tile>(s, a, b, out.m, out.n, work);
  } else {
    take_registers<232>();
    const int first_row = int(threadIdx.x) / 128 * 64 - 64;
    multiply_stages<Tile>(s, first_row, out.m, out.n, work, [&](const TilePlace& tile, const auto& sums) {
      write_rows<Tile>(s, first_row, tile, out, sums);
    });
  }
}

}  // namespace quern::inline QUERN_ABI::kernels
