/// Copies that go on while threads compute, and the barriers that tell when they have arrived.
///
///   cp_async<16>(&s.tile[stage][i], x + i);           // sm_80 and later: each thread for itself
///   cp_async_commit();
///   cp_async_wait<1>();                               // all of my groups but the last one have arrived …
///   __syncthreads();                                  // … and the other threads' too
///
/// and on sm_90a, by one thread for a whole tile:
///
///   mbarrier_arrive_expect(s.full[stage], bytes);
///   tma_load(&s.a[stage], map, s.full[stage], column, row);
///   mbarrier_wait(s.full[stage], parity);             // every thread that reads the tile
#pragma once
#include "kernels/device/mma.cuh"
#include "kernels/device/tensor_map.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// Any thread. `bytes` (4, 8 or 16) from global to shared memory, both at a multiple of that.
template <int bytes>
__device__ __forceinline__ void cp_async(void* to, const void* from QUERN_CALLER) {
  static_assert(bytes == 4 || bytes == 8 || bytes == 16);
#ifdef __CUDACC__
  if constexpr (bytes == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(to)), "l"(from) : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(shared_address(to)), "l"(from), "n"(bytes)
                 : "memory");
#else
  emulator::cp_async(to, from, bytes, bytes, caller_);
#endif
}

/// The same, of which only `given` bytes are read; the rest becomes 0. With `given` 0 nothing is read.
template <int bytes>
__device__ __forceinline__ void cp_async_or_zero(void* to, const void* from, int given QUERN_CALLER) {
  static_assert(bytes == 4 || bytes == 8 || bytes == 16);
#ifdef __CUDACC__
  if constexpr (bytes == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(given)
                 : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(to)), "l"(from), "n"(bytes),
                 "r"(given)
                 : "memory");
#else
  emulator::cp_async(to, from, bytes, unsigned(given), caller_);
#endif
}

/// The copies that the calling thread has begun since its last commit are one group, empty or not.
__device__ __forceinline__ void cp_async_commit() {
#ifdef __CUDACC__
  asm volatile("cp.async.commit_group;" ::: "memory");
#else
  emulator::cp_async_commit();
#endif
}

/// Waits for all of the calling thread's groups but the last `left`. Other threads see the bytes after a barrier.
template <int left>
__device__ __forceinline__ void cp_async_wait() {
#ifdef __CUDACC__
  asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
#else
  emulator::cp_async_wait(left, false);
#endif
}

/// Waits for all of the calling thread's copies, committed or not.
__device__ __forceinline__ void cp_async_wait_all() {
#ifdef __CUDACC__
  asm volatile("cp.async.wait_all;" ::: "memory");
#else
  emulator::cp_async_wait(0, true);
#endif
}

/// `threads` (a multiple of 32) threads of the block meet at barrier 1 … 15. Whole warps call.
__device__ __forceinline__ void named_barrier_sync(int barrier, int threads QUERN_CALLER) {
#ifdef __CUDACC__
  asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
#else
  emulator::meet_named(barrier, threads, true, caller_);
#endif
}
/// Is counted there, and goes on.
__device__ __forceinline__ void named_barrier_arrive(int barrier, int threads QUERN_CALLER) {
#ifdef __CUDACC__
  asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
#else
  emulator::meet_named(barrier, threads, false, caller_);
#endif
}

#ifdef __CUDACC__
/// Eight bytes of shared memory: counts arrivals and bytes, phase after phase.
struct alignas(8) MBarrier {
  std::uint64_t word;
};
#else
using emulator::MBarrier;
#endif

/// One thread, before any other uses the barrier. A phase is over when `count` arrivals and all expected bytes have
/// come.
__device__ __forceinline__ void mbarrier_init(MBarrier& barrier, unsigned count QUERN_CALLER) {
#ifdef __CUDACC__
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(&barrier)), "r"(count) : "memory");
#else
  emulator::mbarrier_init(barrier, count, caller_);
#endif
}
/// One thread, when nobody uses it any more: its memory may hold something else again.
__device__ __forceinline__ void mbarrier_invalidate(MBarrier& barrier QUERN_CALLER) {
#ifdef __CUDACC__
  asm volatile("mbarrier.inval.shared::cta.b64 [%0];" ::"r"(shared_address(&barrier)) : "memory");
#else
  emulator::mbarrier_invalidate(barrier, caller_);
#endif
}

/// Any thread: one arrival.
__device__ __forceinline__ void mbarrier_arrive(MBarrier& barrier QUERN_CALLER) {
#ifdef __CUDACC__
  asm volatile("{ .reg .b64 state; mbarrier.arrive.shared::cta.b64 state, [%0]; }" ::"r"(shared_address(&barrier))
               : "memory");
#else
  emulator::mbarrier_arrive(barrier, 0, caller_);
#endif
}

/// Waits until the phase of this parity is over: 0 for the first phase, 1 for the second, 0 for the third. A barrier
/// that has just been initialised counts as past a phase of parity 1.
__device__ __forceinline__ void mbarrier_wait(MBarrier& barrier, unsigned parity QUERN_CALLER) {
#ifdef __CUDACC__
  std::uint32_t over;
  do {
    QUERN_SM90(asm volatile(
        "{ .reg .pred over; mbarrier.try_wait.parity.shared::cta.b64 over, [%1], %2; selp.u32 %0, 1, 0, over; }"
        : "=r"(over)
        : "r"(shared_address(&barrier)), "r"(parity)
        : "memory"));
    QUERN_BEFORE_SM90(asm volatile(
        "{ .reg .pred over; mbarrier.test_wait.parity.shared::cta.b64 over, [%1], %2; selp.u32 %0, 1, 0, over; }"
        : "=r"(over)
        : "r"(shared_address(&barrier)), "r"(parity)
        : "memory"));
  } while (!over);
#else
  emulator::mbarrier_wait(barrier, parity, caller_);
#endif
}

// ---- sm_90a from here on ----

/// Any thread: one arrival, and `bytes` more to come before the phase is over.
__device__ __forceinline__ void mbarrier_arrive_expect(MBarrier& barrier, unsigned bytes QUERN_CALLER) {
#ifdef __CUDACC__
  QUERN_SM90(asm volatile(
      "{ .reg .b64 state; mbarrier.arrive.expect_tx.shared::cta.b64 state, [%0], %1; }" ::"r"(shared_address(&barrier)),
      "r"(bytes)
      : "memory"));
#else
  emulator::mbarrier_arrive(barrier, bytes, caller_);
#endif
}

/// By the thread that has initialised barriers, before a barrier of the block: now the copy engine knows them.
__device__ __forceinline__ void fence_mbarrier_init() {
#ifdef __CUDACC__
  QUERN_SM90(asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"));
#else
  emulator::fence_mbarrier_init();
#endif
}

/// By every thread that has written to shared memory which TMA or wgmma will read, before the barrier that tells of it.
__device__ __forceinline__ void fence_proxy_async() {
#ifdef __CUDACC__
  QUERN_SM90(asm volatile("fence.proxy.async.shared::cta;" ::: "memory"));
#else
  emulator::fence_proxy_async();
#endif
}

/// One thread: a box of the matrix, from this column and row on, to a tile in shared memory; its bytes count for the
/// barrier, also those outside of the matrix, which become 0.
__device__ __forceinline__ void tma_load(void* to, const TensorMap& map, MBarrier& barrier, int column,
                                         int row QUERN_CALLER) {
#ifdef __CUDACC__
  QUERN_SM90(asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::
          "r"(shared_address(to)),
      "l"(&map), "r"(shared_address(&barrier)), "r"(column), "r"(row)
      : "memory"));
#else
  emulator::tma_load(to, map, barrier, column, row, caller_);
#endif
}

/// One thread: a tile of shared memory to a box of the matrix; what lies outside is left out.
__device__ __forceinline__ void tma_store(const TensorMap& map, const void* from, int column, int row QUERN_CALLER) {
#ifdef __CUDACC__
  QUERN_SM90(asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1];" ::"l"(&map),
                          "r"(shared_address(from)), "r"(column), "r"(row)
                          : "memory"));
#else
  emulator::tma_store(map, from, column, row, caller_);
#endif
}

/// The calling thread's stores since its last commit are one group.
__device__ __forceinline__ void tma_store_commit() {
#ifdef __CUDACC__
  QUERN_SM90(asm volatile("cp.async.bulk.commit_group;" ::: "memory"));
#else
  emulator::tma_store_commit();
#endif
}

/// Waits until all of the calling thread's groups of stores but the last `left` are over.
template <int left>
__device__ __forceinline__ void tma_store_wait() {
#ifdef __CUDACC__
  QUERN_SM90(asm volatile("cp.async.bulk.wait_group %0;" ::"n"(left) : "memory"));
#else
  emulator::tma_store_wait(left, false);
#endif
}
/// Waits until they have read shared memory, which may then be written to again.
template <int left>
__device__ __forceinline__ void tma_store_wait_read() {
#ifdef __CUDACC__
  QUERN_SM90(asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(left) : "memory"));
#else
  emulator::tma_store_wait(left, true);
#endif
}

/// All threads of a warpgroup: how many registers each has from here on, a multiple of 8 from 24 to 256. Those that
/// copy give registers back, those that compute take them.
template <int registers>
__device__ __forceinline__ void take_registers() {
  static_assert(registers >= 24 && registers <= 256 && registers % 8 == 0);
#ifdef __CUDACC__
  QUERN_SM90A(asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(registers)));
#endif
}
template <int registers>
__device__ __forceinline__ void give_registers_back() {
  static_assert(registers >= 24 && registers <= 256 && registers % 8 == 0);
#ifdef __CUDACC__
  QUERN_SM90A(asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(registers)));
#endif
}

}  // namespace quern::inline QUERN_ABI::kernels
