/// The emulator: launches that are refused, waits that never end, schedules, and what reports say.
#include "kernels/emulator/emulator.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "kernels/device/block.cuh"
#include "kernels/device/memory.cuh"
#include "kernels/device/pipeline.cuh"
#include "kernels/emulator/sanitizers.hpp"
#include "kernels/launch.cuh"

using namespace quern;
using namespace quern::kernels;

namespace {

template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const std::exception& e) { return e.what(); }
  return "no error";
}

void expect(const std::string& text, std::initializer_list<const char*> parts) {
  for (const char* part : parts)
    CHECK_MESSAGE(text.find(part) != std::string::npos, "missing: ", std::string(part), "\nin: ", text);
}

/// For reports that depend on who comes first.
struct RoundRobin {
  emulator::Schedule before = emulator::schedule();
  RoundRobin() { emulator::set_schedule({}); }
  ~RoundRobin() { emulator::set_schedule(before); }
};

__global__ void where_am_i(unsigned* x) {
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  x[block * blockDim.x * blockDim.y * blockDim.z + thread] = block * 1000 + thread;
}

struct Some {
  int x[100];
};
__global__ void untouched(int* x) {
  auto& s = shared_memory<Some>();
  x[blockIdx.x * 100 + threadIdx.x] = s.x[threadIdx.x];
  s.x[threadIdx.x] = 7;
}

__global__ void half_returns() {
  if (threadIdx.x >= 40) return;
  __syncthreads();
}
__global__ void two_lines() {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
__global__ void two_operations(int* x) {
  if (threadIdx.x % 2)
    x[0] = __shfl_xor_sync(full_mask, 1, 1);
  else
    __syncwarp();
}
__global__ void two_masks(int* x) {
  x[threadIdx.x] = threadIdx.x % 2 ? __shfl_xor_sync(0xffffffffu, 1, 1) : __shfl_xor_sync(0x7fffffffu, 1, 1);
}
__global__ void not_in_mask() { __syncwarp(0xffff); }
__global__ void waits_for_a_branch(int* x) {
  if (threadIdx.x < 16) x[threadIdx.x] = __shfl_xor_sync(full_mask, 1, 1);
  while (threadIdx.x >= 16 && atomicAdd(x + 99, 0) == 0) {}
}
__global__ void lanes_that_left(float* x) {
  if (threadIdx.x >= 20) return;
  __syncwarp();
  x[threadIdx.x] = __shfl_down_sync(full_mask, float(threadIdx.x), 5);
}
__global__ void half_a_product(float* x) {
  float d[4] = {};
  const std::uint32_t a[4] = {}, b[2] = {};
  if (threadIdx.x < 16) mma<bf16>(d, a, b);
  x[threadIdx.x] = d[0];
}
__global__ void spins(int* x) {
  while (atomicAdd(x, 0) == 0) {}
}
__global__ void takes_turns(int* turn, int n) {
  for (int i = 0; i < n; ++i) {
    while (atomicAdd(turn, 0) % int(blockDim.x) != int(threadIdx.x)) {}
    atomicAdd(turn, 1);
  }
}
__global__ void throws() {
  if (threadIdx.x == 3) throw Error("out of a kernel");
  __syncthreads();
}
__global__ void launches(int* x) { launch("within", untouched, {.block = {1}, .shared = sizeof(Some)}, x); }
#if !defined(QUERN_ASAN) && !defined(QUERN_TSAN)  // which report in their own way
__global__ void at(int* x, long i) {
  __syncthreads();
  if (threadIdx.x == 5) x[i] = 1;
}
__global__ void past_shared(long i) { shared_memory<Some>().x[i] = 1; }
[[gnu::noinline]] int deep(int n, const volatile char* above) {
  volatile char here[1000];
  here[n % 1000] = *above;
  return n == 0 ? 0 : deep(n - 1, here) + here[(n + 1) % 1000];
}
__global__ void overflows(int* x, int n) {
  const volatile char first = 0;
  x[threadIdx.x] = deep(n, &first);
}
#endif
__global__ void sums(const float* x, float* y) {
  auto& s = shared_memory<Some>();
  y[threadIdx.x] = block_sum(x[threadIdx.x], reinterpret_cast<float*>(s.x));
}

struct OneBarrier {
  MBarrier barrier;
};
__global__ void waits_for_bytes() {
  auto& s = shared_memory<OneBarrier>();
  if (threadIdx.x == 0) {
    mbarrier_init(s.barrier, 1);
    mbarrier_arrive_expect(s.barrier, 64);
  }
  __syncthreads();
  mbarrier_wait(s.barrier, 0);
}
__global__ void no_such_barrier() { mbarrier_arrive(shared_memory<OneBarrier>().barrier); }
__global__ void written_over() {
  auto& s = shared_memory<OneBarrier>();
  mbarrier_init(s.barrier, 1);
  s.barrier.word += 1;
  mbarrier_arrive(s.barrier);
}

}  // namespace

TEST_CASE("every thread of every block runs once, and knows where it stands") {
  std::vector<unsigned> x(6 * 60);
  const auto before = emulator::statistics();
  launch("where_am_i", where_am_i, {.grid = {3, 2}, .block = {5, 4, 3}}, x.data());
  for (unsigned i = 0; i < x.size(); ++i) CHECK(x[i] == i / 60 * 1000 + i % 60);
  const auto after = emulator::statistics();
  CHECK(after.launches - before.launches == 1);
  CHECK(after.blocks - before.blocks == 6);
  CHECK(after.threads - before.threads == 360);
#if !defined(QUERN_TSAN)
  CHECK(after.switches - before.switches == 12);  // there and back for each block: no thread had to wait
#endif
  launch("where_am_i", where_am_i, {.grid = {3, 0}, .block = {5}}, nullptr);  // nothing to do
}

TEST_CASE("shared memory holds no earlier block's numbers") {
  std::vector<int> x(300);
  launch("untouched", untouched, {.grid = {3}, .block = {100}, .shared = sizeof(Some)}, x.data());
  for (int v : x) CHECK(v == -1);
}

TEST_CASE("launches that no GPU takes are refused") {
  int x[100];
  const auto refused = [&](LaunchShape shape) { return error_of([&] { launch("untouched", untouched, shape, x); }); };
  expect(refused({.block = {1025}}),
         {"untouched: grid (1, 1, 1), block (1025, 1, 1)", "a block has 1 to 1024 threads"});
  expect(refused({.block = {0}}), {"a block has 1 to 1024 threads"});
  expect(refused({.block = {1, 1, 65}}), {"at most 64 along z"});
  expect(refused({.grid = {1, 65536}}), {"65535 along y and z"});
  expect(refused({.shared = 300000}), {"300000 bytes of shared memory", "a block has at most 232448 bytes"});
  expect(refused({.shared = 64}), {"the kernel uses 400 bytes of shared memory, the launch gives 64", "emulator.cpp:"});
  expect(error_of([&] { launch("launches", launches, {}, x); }), {"within: ", "launched from within a kernel"});
}

TEST_CASE("barriers that not all threads come to") {
  const RoundRobin schedule;
  expect(error_of([] { launch("half_returns", half_returns, {.grid = {2}, .block = {64}}); }),
         {"half_returns: grid (2, 1, 1), block (64, 1, 1)", "divergent barrier: not every thread", "in block (0, 0, 0)",
          "40 threads: waits at __syncthreads (", ": 0-39"});
  expect(error_of([] { launch("two_lines", two_lines, {.block = {64}}); }),
         {"divergent barrier: threads of one block wait at two different lines", "thread (32, 0, 0)"});
}

TEST_CASE("warp operations that do not fit together") {
  const RoundRobin schedule;
  int x[128] = {};
  expect(error_of([&] { launch("k", two_operations, {.block = {32}}, x); }),
         {"lanes of one warp meet at different operations: __shfl_xor_sync and __syncwarp", "thread (1, 0, 0)"});
  expect(error_of([&] { launch("k", two_masks, {.block = {32}}, x); }),
         {"wait for each other at different masks", "0xffffffff", "0x7fffffff"});
  expect(error_of([&] { launch("k", not_in_mask, {.block = {32}}); }),
         {"__syncwarp: mask 0x0000ffff does not name the calling lane", "thread (16, 0, 0)"});
  float y[32];
  expect(error_of([&] { launch("k", half_a_product, {.block = {32}}, y); }),
         {"mma.sync: a lane of the warp has returned instead of taking part"});
  expect(error_of([&] { launch("k", half_a_product, {.block = {16}}, y); }),
         {"mma.sync: all 32 lanes of the warp must take part"});
}

TEST_CASE("lanes that have returned are not waited for, and send NaN") {
  float x[32];
  launch("lanes_that_left", lanes_that_left, {.block = {32}}, x);
  for (int i = 0; i < 20; ++i) {
    if (i < 15)
      CHECK(x[i] == float(i + 5));
    else
      CHECK(std::isnan(x[i]));
  }
}

TEST_CASE("threads that wait for each other's atomics take turns; what never ends is a livelock") {
  const RoundRobin schedule;
  for (const auto kind : {emulator::Order::round_robin, emulator::Order::shuffled, emulator::Order::warp_priority}) {
    emulator::set_schedule({kind, 3});
    int turn = 0;
    launch("takes_turns", takes_turns, {.block = {40}}, &turn, 3);
    CHECK(turn == 120);
  }
  emulator::set_schedule({});
  std::vector<int> x(100);
  expect(error_of([&] { launch("spins", spins, {.block = {2}}, x.data()); }), {"livelock"});
  expect(error_of([&] { launch("k", waits_for_a_branch, {.block = {32}}, x.data()); }),
         {"livelock", "16 threads: waits at __shfl_xor_sync"});
}

TEST_CASE("exceptions leave a kernel, and the next launch begins afresh") {
  CHECK(error_of([] { launch("throws", throws, {.block = {64}}); }) == "out of a kernel");
  std::vector<float> x(64, 1), y(64);
  launch("sums", sums, {.block = {64}, .shared = sizeof(Some)}, x.data(), y.data());
  for (float v : y) CHECK(v == 64);
}

#if !defined(QUERN_ASAN) && !defined(QUERN_TSAN)  // which report in their own way
TEST_CASE("bad addresses are named") {
  expect(error_of([] { launch("at", at, {.block = {32}}, nullptr, 1); }),
         {"the thread uses a null pointer", "thread (5, 0, 0)"});
  expect(error_of([] { launch("at", at, {.block = {32}}, nullptr, 1L << 60); }), {"memory that is not there"});
  expect(error_of([] { launch("past_shared", past_shared, {.shared = sizeof(Some)}, 300L); }),
         {"the thread touches shared memory 800 bytes past its end"});
  int x[32];
  expect(error_of([&] { launch("overflows", overflows, {.block = {32}}, x, 1000); }),
         {"the thread's stack of 256 KB overflows"});
  launch("overflows", overflows, {.block = {32}}, x, 100);
}
#endif

TEST_CASE("mbarriers: what is missing is told") {
  expect(error_of([] { launch("k", waits_for_bytes, {.block = {32}, .shared = sizeof(OneBarrier)}); }),
         {"deadlock: no thread of the block can go on", "32 threads: waits at mbarrier.try_wait, parity 0 (",
          "mbarrier at byte 0 of shared memory: phase 0, 0 of 1 arrivals and 64 bytes to come"});
  expect(error_of([] { launch("k", no_such_barrier, {.shared = sizeof(OneBarrier)}); }),
         {"mbarrier.arrive: the mbarrier has not been initialised"});
  expect(error_of([] { launch("k", written_over, {.shared = sizeof(OneBarrier)}); }),
         {"mbarrier.arrive: something else was written over the mbarrier"});
}

TEST_CASE("schedules by name; a seed gives the same run again") {
  using emulator::Order, emulator::schedule_of;
  CHECK(schedule_of("pct:7").kind == Order::warp_priority);
  CHECK(schedule_of("pct:7").seed == 7);
  CHECK(schedule_of("shuffled:12").kind == Order::shuffled);
  CHECK(schedule_of("round_robin").kind == Order::round_robin);
  for (const char* wrong : {"", "pct:", "pct:x", "random:1"})
    expect(error_of([&] { (void)schedule_of(wrong); }), {"QUERN_EMULATOR_SCHEDULE: ", "is none of round_robin"});
}

TEST_CASE("launches of several host threads take turns") {
  std::vector<std::vector<float>> results(3, std::vector<float>(64));
  std::vector<std::thread> threads;
  for (auto& y : results)
    threads.emplace_back([&y] {
      const std::vector<float> x(64, 2);
      for (int i = 0; i < 20; ++i) launch("sums", sums, {.block = {64}, .shared = sizeof(Some)}, x.data(), y.data());
    });
  for (auto& thread : threads) thread.join();
  for (const auto& y : results)
    for (float v : y) CHECK(v == 128);
}
