/// device/{memory,warp,block}.cuh against loops.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/device/block.cuh"
#include "kernels/device/memory.cuh"
#include "on_device.hpp"

using namespace test;

namespace {

template <int width>
__global__ void warp_results(const float* x, float* y) {
  const float v = x[threadIdx.x];
  float* row = y + 8 * threadIdx.x;
  row[0] = warp_sum<width>(v);
  row[1] = warp_max<width>(v);
  row[2] = warp_min<width>(v);
  const Indexed<float> best = warp_arg_max<width>({v, int(threadIdx.x)});
  row[3] = best.value;
  row[4] = float(best.index);
  row[5] = warp_broadcast(v, 7);
  row[6] = warp_prefix_sum(v);
  row[7] = float(warp_of_thread() * warp_size + lane_of_thread());
}

struct BlockShared {
  float partial[32];
  Indexed<float> indexed[32];
};

__global__ void block_results(const float* x, float* y) {
  auto& s = shared_memory<BlockShared>();
  const float v = x[threadIdx.x];
  float* row = y + 7 * threadIdx.x;
  row[0] = block_sum(v, s.partial);
  row[1] = block_max(v, s.partial);
  row[2] = block_min(v, s.partial);
  const Indexed<float> best = block_arg_max({v, int(threadIdx.x)}, s.indexed);
  row[3] = best.value;
  row[4] = float(best.index);
  row[5] = block_prefix_sum(v, s.partial, row[6]);
}

__global__ void shuffles(const int* x, int* y) {
  const int lane = int(threadIdx.x), v = x[lane];
  int* row = y + 8 * lane;
  row[0] = __shfl_sync(full_mask, v, lane * 7 % 32);
  row[1] = __shfl_sync(full_mask, v, 3, 8);
  row[2] = __shfl_up_sync(full_mask, v, 3);
  row[3] = __shfl_down_sync(full_mask, v, 5, 16);
  row[4] = int(__ballot_sync(full_mask, v % 3 == 0));
  row[5] = __any_sync(full_mask, v == x[9]) * 2 + __all_sync(full_mask, v != -1);
  if (lane % 2) {
    row[6] = __shfl_xor_sync(0xaaaaaaaau, v, 2);  // half of the lanes, in a branch of their own
  } else {
    row[6] = __shfl_xor_sync(0x55555555u, v, 4);
  }
  row[7] = __syncthreads_count(v % 2) * 4 + __syncthreads_or(v == x[0]) * 2 + __syncthreads_and(v != -1);
}

__global__ void packs(const float* x, float* y) {
  Pack<float, 4> four = load_pack<4>(x + 4 * threadIdx.x);
  for (int i = 0; i < 4; ++i) four[i] *= 2;
  store_pack(y + 4 * threadIdx.x, four);
  if (threadIdx.x == 0) y[128] = packs_fit<4>(x, 128) + 2 * packs_fit<4>(x + 1, 128) + 4 * packs_fit<4>(x, 130);
}

__global__ void counters(int* x, unsigned* u, float* f) {
  atomicAdd(x, 1);
  atomicMax(x + 1, int(threadIdx.x));
  atomicMin(x + 2, -int(threadIdx.x));
  atomicCAS(x + 3, 0, int(threadIdx.x) + 1);
  atomicOr(x + 4, 1 << threadIdx.x % 8);
  atomicExch(x + 5, 6);
  atomicInc(u, 4);
  atomicAdd(f, 0.5f);
}

template <int width>
void expect_warp_results(const std::vector<float>& x) {
  OnDevice<float> in(x), out(std::vector<float>(8 * x.size()));
  launch("warp_results", warp_results<width>, {.block = {unsigned(x.size())}}, in.data(), out.data());
  const auto y = out.back();
  for (int i = 0; i < int(x.size()); ++i) {
    const auto first = x.begin() + i / width * width, warp = x.begin() + i / 32 * 32;
    const auto best = std::max_element(first, first + width);
    double sum = 0, prefix = 0;
    for (int k = 0; k < width; ++k) sum += first[k];
    for (int k = 0; k <= i % 32; ++k) prefix += warp[k];
    CHECK(y[8 * i] == doctest::Approx(sum).epsilon(1e-6));
    CHECK(y[8 * i] == y[8 * (i / width * width)]);  // the same bits in all lanes
    CHECK(y[8 * i + 1] == *best);
    CHECK(y[8 * i + 2] == *std::min_element(first, first + width));
    CHECK(y[8 * i + 3] == *best);
    CHECK(y[8 * i + 4] == best - x.begin());
    CHECK(y[8 * i + 5] == warp[7]);
    CHECK(y[8 * i + 6] == doctest::Approx(prefix).epsilon(1e-6));
    CHECK(y[8 * i + 7] == i);
  }
}

}  // namespace

TEST_CASE("warps: sums, extremes, broadcasts and prefix sums") {
  expect_warp_results<32>(numbers(64, 1));
  expect_warp_results<8>(numbers(96, 2));
  expect_warp_results<2>(numbers(32, 3));
  expect_warp_results<1>(numbers(32, 4));
}

TEST_CASE("blocks: the same of all warps") {
  for (int n : {32, 64, 1024}) {
    const auto x = numbers(std::size_t(n), 5);
    OnDevice<float> in(x), out(std::vector<float>(7 * x.size()));
    launch("block_results", block_results, {.block = {unsigned(n)}, .shared = sizeof(BlockShared)}, in.data(),
           out.data());
    const auto y = out.back();
    const auto best = std::max_element(x.begin(), x.end());
    double sum = 0, before = 0;
    for (float v : x) sum += v;
    for (int i = 0; i < n; ++i) {
      CHECK(y[7 * i] == doctest::Approx(sum).epsilon(1e-5));
      CHECK(y[7 * i] == y[0]);
      CHECK(y[7 * i + 1] == *best);
      CHECK(y[7 * i + 2] == *std::min_element(x.begin(), x.end()));
      CHECK(y[7 * i + 3] == *best);
      CHECK(y[7 * i + 4] == best - x.begin());
      CHECK(std::abs(y[7 * i + 5] - before) < 1e-4);
      CHECK(y[7 * i + 6] == doctest::Approx(sum).epsilon(1e-5));
      before += x[i];
    }
  }
}

TEST_CASE("the greatest: NaN wins, of equal ones the first") {
  auto x = numbers(32, 6);
  x[9] = x[20] = 5;
  for (const auto& [value, index] : {std::pair{5.0f, 9}, {std::numeric_limits<float>::quiet_NaN(), 20}}) {
    if (value != value) x[20] = x[23] = value;
    OnDevice<float> in(x), out(std::vector<float>(8 * 32));
    launch("warp_results", warp_results<32>, {.block = {32}}, in.data(), out.data());
    const auto y = out.back();
    for (int i = 0; i < 32; ++i) {
      CHECK(y[8 * i + 4] == index);
      CHECK(std::isnan(y[8 * i + 1]) == std::isnan(value));
      CHECK(std::isnan(y[8 * i + 2]) == std::isnan(value));
    }
  }
}

TEST_CASE("shuffles and votes, also of some lanes alone") {
  std::vector<int> x(32);
  for (int i = 0; i < 32; ++i) x[i] = i * i + 2;
  OnDevice<int> in(x), out(std::vector<int>(8 * 32));
  launch("shuffles", shuffles, {.block = {32}}, in.data(), out.data());
  const auto y = out.back();
  unsigned ballot = 0;
  for (int i = 0; i < 32; ++i) ballot |= unsigned(x[i] % 3 == 0) << i;
  const int odd = int(std::count_if(x.begin(), x.end(), [](int v) { return v % 2; }));
  for (int i = 0; i < 32; ++i) {
    const int* row = &y[8 * i];
    CHECK(row[0] == x[i * 7 % 32]);
    CHECK(row[1] == x[i / 8 * 8 + 3]);
    CHECK(row[2] == x[i < 3 ? i : i - 3]);
    CHECK(row[3] == x[i % 16 + 5 < 16 ? i + 5 : i]);
    CHECK(unsigned(row[4]) == ballot);
    CHECK(row[5] == 3);
    CHECK(row[6] == x[i ^ (i % 2 ? 2 : 4)]);
    CHECK(row[7] == odd * 4 + 3);
  }
}

TEST_CASE("packs of 16 bytes") {
  const auto x = numbers(128, 7);
  OnDevice<float> in(x), out(std::vector<float>(129));
  launch("packs", packs, {.block = {32}}, in.data(), out.data());
  const auto y = out.back();
  for (int i = 0; i < 128; ++i) CHECK(y[i] == 2 * x[i]);
  CHECK(y[128] == 1);  // neither an odd address nor an odd width is let through
}

TEST_CASE("atomic operations of many blocks") {
  OnDevice<int> x(std::vector<int>(6));
  OnDevice<unsigned> u(std::vector<unsigned>(1));
  OnDevice<float> f(std::vector<float>(1));
  launch("counters", counters, {.grid = {5}, .block = {64}}, x.data(), u.data(), f.data());
  const auto y = x.back();
  CHECK(y[0] == 320);
  CHECK(y[1] == 63);
  CHECK(y[2] == -63);
  CHECK((y[3] >= 1 && y[3] <= 64));
  CHECK(y[4] == 255);
  CHECK(y[5] == 6);
  CHECK(u.back()[0] == 0);  // 320 times round 0 … 4
  CHECK(f.back()[0] == 160);
}
