/// device/pipeline.cuh: what asynchronous copies bring, and when.
#include "kernels/device/pipeline.cuh"

#include <quern/base/dtype.hpp>

#include "kernels/device/memory.cuh"
#include "on_device.hpp"

using namespace test;

namespace {

struct CopyShared {
  alignas(16) float x[3][128];
};

/// Three groups of copies, of 16, 8 and 4 bytes a thread, waited for one after another.
__global__ void copy_by_groups(const float* x, float* y, int given) {
  auto& s = shared_memory<CopyShared>();
  const int t = int(threadIdx.x);
  cp_async<16>(&s.x[0][4 * t], x + 4 * t);
  cp_async_commit();
  cp_async<8>(&s.x[1][4 * t], x + 4 * t);
  cp_async<4>(&s.x[1][4 * t + 2], x + 4 * t + 2);
  cp_async<4>(&s.x[1][4 * t + 3], x + 4 * t + 3);
  cp_async_commit();
  cp_async_or_zero<16>(&s.x[2][4 * t], x + 4 * t, given);
  cp_async_commit();
  cp_async_wait<2>();
  for (int i = 4 * t; i < 4 * t + 4; ++i) y[i] = s.x[0][i];
  cp_async_wait<1>();
  for (int i = 4 * t; i < 4 * t + 4; ++i) y[128 + i] = s.x[1][i];
  cp_async_wait_all();
  for (int i = 4 * t; i < 4 * t + 4; ++i) y[256 + i] = s.x[2][i];
}

struct TileShared {
  alignas(1024) bf16 swizzled[16][64];
  alignas(128) bf16 plain[16][32];
  MBarrier full;
};

/// Boxes of a matrix that may lie across its edges: loaded, and stored somewhere else.
__global__ void move_tiles(const __grid_constant__ TensorMap from, const __grid_constant__ TensorMap from_plain,
                           const __grid_constant__ TensorMap to, int column, int row, bf16* seen) {
  auto& s = shared_memory<TileShared>();
  if (threadIdx.x == 0) {
    mbarrier_init(s.full, 1);
    fence_mbarrier_init();
    mbarrier_arrive_expect(s.full, sizeof s.swizzled + sizeof s.plain);
    tma_load(s.swizzled, from, s.full, column, row);
    tma_load(s.plain, from_plain, s.full, column, row);
  }
  __syncthreads();
  mbarrier_wait(s.full, 0);
  for (int i = int(threadIdx.x); i < 16 * 64; i += 32) {
    const int r = i / 64, c = i % 64, place = c / 8 ^ r % 8;
    seen[i] = s.swizzled[r][8 * place + c % 8];
  }
  for (int i = int(threadIdx.x); i < 16 * 32; i += 32) seen[16 * 64 + i] = s.plain[i / 32][i % 32];
  __syncthreads();
  if (threadIdx.x == 0) {
    tma_store(to, s.swizzled, column, row);
    tma_store_commit();
    tma_store_wait_read<0>();
    tma_store_wait<0>();
    mbarrier_invalidate(s.full);
  }
}

struct RelayShared {
  MBarrier full, empty;
  int value;
};

/// Warp 0 hands ten numbers to warp 1 through one place.
__global__ void relay(const int* x, int* y) {
  auto& s = shared_memory<RelayShared>();
  if (threadIdx.x == 0) {
    mbarrier_init(s.full, 1);
    mbarrier_init(s.empty, 32);
  }
  __syncthreads();
  for (unsigned i = 0; i < 10; ++i) {
    if (threadIdx.x == 0) {
      mbarrier_wait(s.empty, i % 2 ^ 1);
      s.value = x[i];
      mbarrier_arrive(s.full);
    } else if (threadIdx.x >= 32) {
      mbarrier_wait(s.full, i % 2);
      y[32 * i + threadIdx.x % 32] = s.value;
      mbarrier_arrive(s.empty);
    }
  }
}

/// Two warps write, two read; the fifth has nothing to do with it.
__global__ void pass_on(const int* x, int* y) {
  auto& s = shared_memory<CopyShared>();
  const int t = int(threadIdx.x);
  if (t >= 128) return;
  if (t < 64) {
    s.x[0][t] = float(x[t]);
    named_barrier_arrive(3, 128);
  } else {
    named_barrier_sync(3, 128);
    y[t - 64] = int(s.x[0][127 - t]);
  }
}

}  // namespace

TEST_CASE("cp.async by groups, with and without a rest of zeros") {
  const auto x = numbers(128, 1);
  for (int given : {16, 8, 4, 0}) {
    OnDevice<float> in(x), out(std::vector<float>(3 * 128));
    launch("copy_by_groups", copy_by_groups, {.block = {32}, .shared = sizeof(CopyShared)}, in.data(), out.data(),
           given);
    const auto y = out.back();
    for (int i = 0; i < 128; ++i) {
      CHECK(y[i] == x[i]);
      CHECK(y[128 + i] == x[i]);
      CHECK(y[256 + i] == (i % 4 < given / 4 ? x[i] : 0));
    }
  }
}

TEST_CASE("TMA moves boxes, also across the matrix's edges") {
  if (!has_hopper()) {
    MESSAGE("skipped: TMA needs sm_90");
    return;
  }
  const int rows = 40, columns = 72;
  std::vector<bf16> x;
  for (float v : numbers(rows * columns, 2)) x.push_back(bf16(v));
  for (auto [column, row] : {std::pair{0, 0}, {8, 3}, {64, 32}, {-8, -2}, {80, 0}}) {
    OnDevice<bf16> in(x), out(std::vector<bf16>(rows * columns)), seen(std::vector<bf16>(16 * 96));
    launch("move_tiles", move_tiles, {.block = {32}, .shared = sizeof(TileShared)},
           make_tensor_map(in.data(), rows, columns, 16, 64), make_tensor_map(in.data(), rows, columns, 16, 32, false),
           make_tensor_map(out.data(), rows, columns, 16, 64), column, row, seen.data());
    const auto inside = [&](int r, int c) { return r >= 0 && r < rows && c >= 0 && c < columns; };
    const auto tile = seen.back(), y = out.back();
    for (int r = 0; r < 16; ++r)
      for (int c = 0; c < 64; ++c) {
        const float expected = inside(row + r, column + c) ? float(x[(row + r) * columns + column + c]) : 0;
        CHECK(float(tile[r * 64 + c]) == expected);
        if (c < 32) CHECK(float(tile[16 * 64 + r * 32 + c]) == expected);
      }
    for (int r = 0; r < rows; ++r)
      for (int c = 0; c < columns; ++c) {
        const bool moved = r >= row && r < row + 16 && c >= column && c < column + 64;
        CHECK(float(y[r * columns + c]) == (moved ? float(x[r * columns + c]) : 0));
      }
  }
}

TEST_CASE("mbarriers hand a place over and back") {
  std::vector<int> x = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3};
  OnDevice<int> in(x), out(std::vector<int>(320));
  launch("relay", relay, {.block = {64}, .shared = sizeof(RelayShared)}, in.data(), out.data());
  const auto y = out.back();
  for (int i = 0; i < 320; ++i) CHECK(y[i] == x[i / 32]);
}

TEST_CASE("named barriers of some warps, to which others only arrive") {
  std::vector<int> x(64);
  for (int i = 0; i < 64; ++i) x[i] = i * i;
  OnDevice<int> in(x), out(std::vector<int>(64));
  launch("pass_on", pass_on, {.block = {160}, .shared = sizeof(CopyShared)}, in.data(), out.data());
  const auto y = out.back();
  for (int i = 0; i < 64; ++i) CHECK(y[i] == x[63 - i]);
}

TEST_CASE("tensor maps refuse what TMA cannot do") {
  alignas(16) static float x[64];
  CHECK_THROWS_WITH_AS((void)make_tensor_map(x, 0, 8, 1, 4), doctest::Contains("has no boxes"), InvalidArgument);
  CHECK_THROWS_WITH_AS((void)make_tensor_map(x + 1, 4, 8, 1, 4), doctest::Contains("must begin at a multiple of 16"),
                       InvalidArgument);
  CHECK_THROWS_WITH_AS((void)make_tensor_map(x, 4, 7, 1, 4), doctest::Contains("a row of 7 elements of 4 bytes"),
                       InvalidArgument);
  CHECK_THROWS_WITH_AS((void)make_tensor_map(x, 4, 16, 1, 64), doctest::Contains("a box of 1 x 64"), InvalidArgument);
}
