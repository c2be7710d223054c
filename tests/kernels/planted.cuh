/// Small kernels, each right with Bug::none and wrong with one of the others: what the emulator, ASan and TSan must
/// find.
#pragma once
#include <quern/tensor/view.hpp>

#include "kernels/device/block.cuh"
#include "kernels/device/memory.cuh"
#include "kernels/device/pipeline.cuh"
#include "kernels/device/wgmma.cuh"

namespace planted {

using namespace quern;
using namespace quern::kernels;

enum class Bug {
  none,
  missing_barrier,       // shared memory is used again while others still read it
  missing_syncwarp,      // lanes read what other lanes write, without __syncwarp
  uninitialised_shared,  // more is read than was written
  shared_out_of_bounds,
  global_out_of_bounds,
  divergent_barrier,    // a barrier that some threads do not come to
  cross_block_race,     // blocks add to one number without atomics
  missing_fence,        // the last block reads what others wrote, without __threadfence
  missing_wait,         // cp.async is waited for one group short
  early_stage_reuse,    // a stage is filled again while others still read it
  wrong_fragment,       // an index of mma's fragments is off
  missing_proxy_fence,  // TMA stores what threads wrote, without fence.proxy.async
  missing_init_fence,   // TMA uses an mbarrier that it does not know of yet
  wrong_arrival_count,  // an mbarrier counts one thread too few
  skipped_empty_wait,   // the producer does not wait for a stage to be empty
  wgmma_not_waited,     // results are used, and the stage is given back, without wgmma.wait_group
};

// ---- sums of rows, one block a row: y[r] = Σ (x[r, i] - mean)² ----

struct SpreadShared {
  float partial[4];
};

template <Bug bug>
__device__ float sum_of_block(float value, SpreadShared& s) {
  value = warp_sum(value);
  if (lane_of_thread() == 0) s.partial[warp_of_thread() + (bug == Bug::shared_out_of_bounds ? 1 : 0)] = value;
  __syncthreads();
  const int warps = bug == Bug::uninitialised_shared ? 4 : int(blockDim.x) / 32;
  float all = 0;
  for (int w = 0; w < warps; ++w) all += s.partial[w];
  if (bug != Bug::missing_barrier) __syncthreads();
  return all;
}

template <Bug bug>
__global__ void spread(View<const float, 2> x, float* y) {
  auto& s = shared_memory<SpreadShared>();
  const float* row = x.row(blockIdx.x);
  const int n = int(x.extent(1)), end = bug == Bug::global_out_of_bounds ? n + 1 : n;
  float sum = 0, squares = 0;
  for (int i = int(threadIdx.x); i < end; i += int(blockDim.x)) {
    sum += row[i];
    if (bug == Bug::divergent_barrier) __syncthreads();
  }
  const float mean = sum_of_block<bug>(sum, s) / float(n);
  for (int i = int(threadIdx.x); i < n; i += int(blockDim.x)) squares += (row[i] - mean) * (row[i] - mean);
  const float all = sum_of_block<bug>(squares, s);
  if (threadIdx.x == 0) y[blockIdx.x] = all;
}

// ---- each warp turns its 32 numbers round ----

struct ReverseShared {
  float x[64];
};

template <Bug bug>
__global__ void reverse(const float* x, float* y) {
  auto& s = shared_memory<ReverseShared>();
  const int i = int(threadIdx.x), mirrored = i / 32 * 32 + 31 - i % 32;
  s.x[i] = x[i];
  if (bug != Bug::missing_syncwarp) __syncwarp();
  y[i] = s.x[mirrored];
}

// ---- the sum of everything: each block its part, the last one to be done adds the parts ----

struct TotalShared {
  float partial[32];
  bool last;
};

template <Bug bug>
__global__ void total(const float* x, int n, float* parts, unsigned* done, float* y) {
  auto& s = shared_memory<TotalShared>();
  float mine = 0;
  for (int i = int(blockIdx.x * blockDim.x + threadIdx.x); i < n; i += int(gridDim.x * blockDim.x)) mine += x[i];
  mine = block_sum(mine, s.partial);
  if (bug == Bug::cross_block_race) {
    if (threadIdx.x == 0) *y += mine;
    return;
  }
  if (threadIdx.x == 0) {
    parts[blockIdx.x] = mine;
    if (bug != Bug::missing_fence) __threadfence();
    s.last = atomicAdd(done, 1u) == gridDim.x - 1;
    if (bug != Bug::missing_fence) __threadfence();
  }
  __syncthreads();
  if (!s.last || threadIdx.x != 0) return;
  float all = 0;
  for (unsigned b = 0; b < gridDim.x; ++b) all += parts[b];
  *y = all;
}

// ---- c [M, N] = a [M, K] · b [N, K]ᵀ by cp.async, ldmatrix and mma.sync: tiles of 32 x 32 x 32, 4 warps ----

struct ProductShared {
  static constexpr int pitch = 40;  // 80 bytes: the 8 rows of a matrix lie in different banks
  alignas(16) bf16 a[2][32][pitch], b[2][32][pitch];
};

template <Bug bug>
__global__ void __launch_bounds__(128) product(const bf16* a, const bf16* b, float* c, int n, int k) {
  auto& s = shared_memory<ProductShared>();
  const int t = int(threadIdx.x), lane = lane_of_thread(), warp = warp_of_thread();
  const int row0 = int(blockIdx.y) * 32, column0 = int(blockIdx.x) * 32;
  const int m = warp / 2 * 16, half = warp % 2 * 16;  // the warp's 16 x 16 of the tile
  const auto load = [&](int k0, int stage) {
    const int r = t / 4, i = t % 4 * 8;
    cp_async<16>(&s.a[stage][r][i], a + (row0 + r) * k + k0 + i);
    cp_async<16>(&s.b[stage][r][i], b + (column0 + r) * k + k0 + i);
    cp_async_commit();
  };
  float d[2][4] = {};
  load(0, 0);
  for (int k0 = 0, stage = 0; k0 < k; k0 += 32, stage ^= 1) {
    if (k0 + 32 < k)
      load(k0 + 32, stage ^ 1);
    else
      cp_async_commit();
    cp_async_wait<bug == Bug::missing_wait ? 2 : 1>();
    __syncthreads();
    for (int step = 0; step < 32; step += 16) {
      std::uint32_t fa[4], fb[4];
      ldmatrix(fa, &s.a[stage][m + lane % 16][step + lane / 16 * 8]);
      ldmatrix(fb, &s.b[stage][half + lane % 8 + lane / 16 * 8][step + lane / 8 % 2 * 8]);
      const std::uint32_t left[2] = {fb[0], fb[bug == Bug::wrong_fragment ? 2 : 1]}, right[2] = {fb[2], fb[3]};
      mma<bf16>(d[0], fa, left);
      mma<bf16>(d[1], fa, right);
    }
    if (bug != Bug::early_stage_reuse) __syncthreads();
  }
  for (int j = 0; j < 2; ++j)
    for (int i = 0; i < 4; ++i)
      c[(row0 + m + lane / 4 + 8 * (i / 2)) * n + column0 + half + 8 * j + 2 * (lane % 4) + i % 2] = d[j][i];
}

// ---- the same product for Hopper: a warp feeds two stages by TMA, a warpgroup multiplies, TMA stores ----

struct HopperShared {
  alignas(1024) bf16 a[2][64][64], b[2][64][64];
  alignas(1024) float c[2][64][32];  // two boxes of 128 bytes a row, with the swizzle
  MBarrier full[2], empty[2];
};

template <Bug bug>
__global__ void __launch_bounds__(160)
    hopper_product(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b,
                   const __grid_constant__ TensorMap c, int k) {
  auto& s = shared_memory<HopperShared>();
  const int t = int(threadIdx.x), row0 = int(blockIdx.y) * 64, column0 = int(blockIdx.x) * 64, steps = k / 64;
  if (t == 0) {
    for (int i = 0; i < 2; ++i) {
      mbarrier_init(s.full[i], 1);
      mbarrier_init(s.empty[i], bug == Bug::wrong_arrival_count ? 127 : 128);
    }
    if (bug != Bug::missing_init_fence) fence_mbarrier_init();
  }
  __syncthreads();
  if (t >= 128) {
    if (t == 128)
      for (int i = 0; i < steps; ++i) {
        const int stage = i % 2;
        if (bug != Bug::skipped_empty_wait) mbarrier_wait(s.empty[stage], unsigned(i / 2 % 2) ^ 1);
        mbarrier_arrive_expect(s.full[stage], 2 * sizeof s.a[0]);
        tma_load(s.a[stage], a, s.full[stage], i * 64, row0);
        tma_load(s.b[stage], b, s.full[stage], i * 64, column0);
      }
    return;
  }
  float d[32] = {};
  for (int i = 0; i < steps; ++i) {
    const int stage = i % 2;
    mbarrier_wait(s.full[stage], unsigned(i / 2 % 2));
    wgmma_fence(d);
    for (int step = 0; step < 64; step += 16)
      wgmma<bf16, 64>(d, wgmma_descriptor(&s.a[stage][0][step]), wgmma_descriptor(&s.b[stage][0][step]), true);
    wgmma_commit();
    if (bug != Bug::wgmma_not_waited) wgmma_wait<0>(d);
    mbarrier_arrive(s.empty[stage]);
  }
  for (int i = 0; i < 32; ++i) {
    const int r = 16 * (t / 32) + t % 32 / 4 + 8 * (i / 2 % 2), column = 8 * (i / 4) + 2 * (t % 4) + i % 2;
    const int place = column % 32 / 4 ^ r % 8;  // the swizzle, in pieces of 16 bytes
    s.c[column / 32][r][place * 4 + column % 4] = d[i];
  }
  if (bug != Bug::missing_proxy_fence) fence_proxy_async();
  named_barrier_sync(1, 128);
  if (t == 0) {
    tma_store(c, s.c[0], column0, row0);
    tma_store(c, s.c[1], column0 + 32, row0);
    tma_store_commit();
    tma_store_wait<0>();
  }
}

}  // namespace planted
