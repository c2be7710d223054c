/// wgmma (sm_90a): a warpgroup of 128 threads multiplies tiles in shared memory, beside its other work.
///
///   wgmma_fence(d);
///   for (int k = 0; k < 64; k += 16)
///     wgmma<bf16, 128>(d, wgmma_descriptor(a + k), wgmma_descriptor(b + k), true);
///   wgmma_commit();
///   wgmma_wait<0>(d);                            // before this d must not be touched
///
/// All threads of the warpgroup call, at the same place. Both tiles are K-major with the 128-byte swizzle, as tma_load
/// lays them down: rows of 64 16-bit elements, each 8 of them 1024 bytes, the tile at a multiple of 1024. Thread t
/// holds of d [64, n] in register i: row 16 (t / 32) + t % 32 / 4 + 8 (i / 2 % 2), column 8 (i / 4) + 2 (t % 4) + i
/// % 2.
#pragma once
#include <quern/base/dtype.hpp>

#include "kernels/device/mma.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// Before the first product, and whenever threads have written to its registers.
__device__ __forceinline__ void wgmma_fence() {
#ifdef __CUDACC__
  QUERN_SM90A(asm volatile("wgmma.fence.sync.aligned;" ::: "memory"));
#else
  emulator::wgmma_fence();
#endif
}

/// The same, and the compiler is done with `d` before it.
template <int registers>
__device__ __forceinline__ void wgmma_fence(float (&d)[registers]) {
#ifdef __CUDACC__
#pragma unroll
  for (int i = 0; i < registers; ++i) asm volatile("" : "+f"(d[i])::"memory");
#else
  (void)d;
#endif
  wgmma_fence();
}

/// The products so far are one group.
__device__ __forceinline__ void wgmma_commit() {
#ifdef __CUDACC__
  QUERN_SM90A(asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"));
#else
  emulator::wgmma_commit();
#endif
}

/// All groups but the last `left` are over, and their registers hold the results. `d` is named so that the compiler
/// does not use it earlier.
template <int left, int registers>
__device__ __forceinline__ void wgmma_wait(float (&d)[registers] QUERN_CALLER) {
#ifdef __CUDACC__
  QUERN_SM90A(asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(left) : "memory"));
#pragma unroll
  for (int i = 0; i < registers; ++i) asm volatile("" : "+f"(d[i])::"memory");
#else
  (void)d;
  emulator::wgmma_wait(left, caller_);
#endif
}

/// What the tensor cores are told of a tile. To go on along k: the descriptor of an address 32 bytes further.
__device__ __forceinline__ std::uint64_t wgmma_descriptor(const void* tile QUERN_CALLER) {
#ifdef __CUDACC__
  const std::uint64_t address = shared_address(tile);
#else
  const std::uint64_t address = emulator::wgmma_descriptor(tile, caller_);
#endif
  return (address & 0x3ffff) >> 4 | 1ull << 16 | std::uint64_t{1024 >> 4} << 32 | 1ull << 62;
}

#ifdef __CUDACC__
// One instruction for each width: d's registers, the descriptors, whether to add to d.
#define QUERN_FOUR(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define QUERN_SIXTEEN(i) QUERN_FOUR(i), QUERN_FOUR(i + 4), QUERN_FOUR(i + 8), QUERN_FOUR(i + 12)
#define QUERN_WGMMA(n, type, registers, a_b_add, operands)                                               \
  asm volatile("{ .reg .pred add; setp.ne.b32 add, " a_b_add ", 0; wgmma.mma_async.sync.aligned.m64n" #n \
               "k16.f32." type "." type " {" registers "}, " operands ", add, 1, 1, 0, 0; }"             \
               : QUERN_WGMMA_REGISTERS_##n                                                               \
               : "l"(a), "l"(b), "r"(int(accumulate))                                                    \
               : "memory")
#define QUERN_WGMMA_REGISTERS_64 QUERN_SIXTEEN(0), QUERN_SIXTEEN(16)
#define QUERN_WGMMA_REGISTERS_96 QUERN_SIXTEEN(0), QUERN_SIXTEEN(16), QUERN_SIXTEEN(32)
#define QUERN_WGMMA_REGISTERS_128 QUERN_SIXTEEN(0), QUERN_SIXTEEN(16), QUERN_SIXTEEN(32), QUERN_SIXTEEN(48)
#define QUERN_WGMMA_REGISTERS_192 \
  QUERN_SIXTEEN(0), QUERN_SIXTEEN(16), QUERN_SIXTEEN(32), QUERN_SIXTEEN(48), QUERN_SIXTEEN(64), QUERN_SIXTEEN(80)
#define QUERN_WGMMA_REGISTERS_256                                                                                  \
  QUERN_SIXTEEN(0), QUERN_SIXTEEN(16), QUERN_SIXTEEN(32), QUERN_SIXTEEN(48), QUERN_SIXTEEN(64), QUERN_SIXTEEN(80), \
      QUERN_SIXTEEN(96), QUERN_SIXTEEN(112)
#define QUERN_WGMMA_NAMES_0 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define QUERN_WGMMA_NAMES_1 ", %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define QUERN_WGMMA_NAMES_2 ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"
#define QUERN_WGMMA_NAMES_3 ", %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define QUERN_WGMMA_NAMES_4 ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79"
#define QUERN_WGMMA_NAMES_5 ", %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define QUERN_WGMMA_NAMES_6 \
  ", %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111"
#define QUERN_WGMMA_NAMES_7 \
  ", %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define QUERN_WGMMA_NAMES_OF_64 QUERN_WGMMA_NAMES_0 QUERN_WGMMA_NAMES_1
#define QUERN_WGMMA_NAMES_OF_96 QUERN_WGMMA_NAMES_0 QUERN_WGMMA_NAMES_1 QUERN_WGMMA_NAMES_2
#define QUERN_WGMMA_NAMES_OF_128 QUERN_WGMMA_NAMES_0 QUERN_WGMMA_NAMES_1 QUERN_WGMMA_NAMES_2 QUERN_WGMMA_NAMES_3
#define QUERN_WGMMA_NAMES_OF_192                                                                      \
  QUERN_WGMMA_NAMES_0 QUERN_WGMMA_NAMES_1 QUERN_WGMMA_NAMES_2 QUERN_WGMMA_NAMES_3 QUERN_WGMMA_NAMES_4 \
      QUERN_WGMMA_NAMES_5
#define QUERN_WGMMA_NAMES_OF_256                                                                      \
  QUERN_WGMMA_NAMES_0 QUERN_WGMMA_NAMES_1 QUERN_WGMMA_NAMES_2 QUERN_WGMMA_NAMES_3 QUERN_WGMMA_NAMES_4 \
      QUERN_WGMMA_NAMES_5 QUERN_WGMMA_NAMES_6 QUERN_WGMMA_NAMES_7
#define QUERN_WGMMA_OF(n, type) \
  if constexpr (columns == n)   \
  QUERN_WGMMA(n, type, QUERN_WGMMA_NAMES_OF_##n, QUERN_WGMMA_ADD_##n, QUERN_WGMMA_DESCRIPTORS_##n)
#define QUERN_WGMMA_DESCRIPTORS_64 "%32, %33"
#define QUERN_WGMMA_ADD_64 "%34"
#define QUERN_WGMMA_DESCRIPTORS_96 "%48, %49"
#define QUERN_WGMMA_ADD_96 "%50"
#define QUERN_WGMMA_DESCRIPTORS_128 "%64, %65"
#define QUERN_WGMMA_ADD_128 "%66"
#define QUERN_WGMMA_DESCRIPTORS_192 "%96, %97"
#define QUERN_WGMMA_ADD_192 "%98"
#define QUERN_WGMMA_DESCRIPTORS_256 "%128, %129"
#define QUERN_WGMMA_ADD_256 "%130"
#define QUERN_WGMMA_OF_ANY(type) \
  QUERN_WGMMA_OF(64, type);      \
  QUERN_WGMMA_OF(96, type);      \
  QUERN_WGMMA_OF(128, type);     \
  QUERN_WGMMA_OF(192, type);     \
  QUERN_WGMMA_OF(256, type)
#endif

/// d [64, columns] = a [64, 16] · b [columns, 16]ᵀ, or added to d. T is bf16 or fp16_bits.
template <class T, int columns>
__device__ __forceinline__ void wgmma(float (&d)[columns / 2], std::uint64_t a, std::uint64_t b,
                                      bool accumulate QUERN_CALLER) {
  static_assert(columns == 64 || columns == 96 || columns == 128 || columns == 192 || columns == 256);
#ifdef __CUDACC__
  if constexpr (std::is_same_v<T, bf16>) {
    QUERN_SM90A(QUERN_WGMMA_OF_ANY("bf16"));
  } else {
    QUERN_SM90A(QUERN_WGMMA_OF_ANY("f16"));
  }
#else
  emulator::wgmma(std::is_same_v<T, bf16> ? emulator::Element::bf16 : emulator::Element::fp16, d, columns, a, b,
                  accumulate, caller_);
#endif
}

}  // namespace quern::inline QUERN_ABI::kernels
