/// Tensor cores by the warp (sm_80 and later): fragments from shared memory, and products of them.
///
///   std::uint32_t a[4], b[2];
///   ldmatrix(a, &s.a[lane % 16][lane / 16 * 8]);       // a [16, 16], row-major
///   ldmatrix(b, &s.b[lane % 8][lane / 8 % 2 * 8]);     // b [16, 8], as rows of n
///   mma<bf16>(d, a, b);                                // d [16, 8] += a · b
///
/// All 32 lanes call, at the same place. Of d lane l holds in register i: row l / 4 + 8 (i / 2), column 2 (l % 4) + i
/// % 2.
#pragma once
#include <quern/base/dtype.hpp>

#include "kernels/dialect.cuh"
#if !defined(__CUDACC__)
#include "kernels/emulator/tensor_core.hpp"
#endif

/// Instructions that only sm_90 and sm_90a have: in code for an earlier GPU there is nothing in their place, and the
/// kernel must not be launched there.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define QUERN_SM90(...) __VA_ARGS__
#define QUERN_BEFORE_SM90(...)
#else
#define QUERN_SM90(...)
#define QUERN_BEFORE_SM90(...) __VA_ARGS__
#endif
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define QUERN_SM90A(...) __VA_ARGS__
#else
#define QUERN_SM90A(...)
#endif

namespace quern::inline QUERN_ABI::kernels {

/// Names the element type of products of half-precision numbers; the numbers themselves are 16-bit words.
struct fp16_bits {
  std::uint16_t bits;
};
/// A float of which the tensor cores see 10 bits after the point.
struct tf32_bits {
  std::uint32_t bits;
};

#ifdef __CUDACC__
/// An address as PTX's shared space knows it.
__device__ __forceinline__ std::uint32_t shared_address(const void* p) {
  return std::uint32_t(__cvta_generic_to_shared(p));
}
#endif

/// To the nearest tf32, ties away from 0.
__device__ __forceinline__ std::uint32_t to_tf32(float x) {
#ifdef __CUDACC__
  std::uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
#else
  const auto bits = __builtin_bit_cast(std::uint32_t, x);
  return (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0x1000u) & 0xffffe000u;
#endif
}

/// 1, 2 or 4 matrices of 8 x 8 16-bit elements. Lane 8 m + r gives the address of row r of matrix m; the other lanes'
/// addresses are not used. Lane l gets elements 2 (l % 4) and the next of row l / 4 of matrix m in fragment[m].
template <int count>
__device__ __forceinline__ void ldmatrix(std::uint32_t (&fragment)[count], const void* row QUERN_CALLER) {
  static_assert(count == 1 || count == 2 || count == 4);
#ifdef __CUDACC__
  std::uint32_t* d = fragment;
  const std::uint32_t at = shared_address(row);
  if constexpr (count == 1)
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(d[0]) : "r"(at) : "memory");
  if constexpr (count == 2)
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(d[0]), "=r"(d[1])
                 : "r"(at)
                 : "memory");
  if constexpr (count == 4)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
                 : "r"(at)
                 : "memory");
#else
  emulator::ldmatrix(fragment, count, false, row, caller_);
#endif
}

/// The same with every matrix transposed: lane l gets rows 2 (l % 4) and the next of column l / 4.
template <int count>
__device__ __forceinline__ void ldmatrix_transposed(std::uint32_t (&fragment)[count], const void* row QUERN_CALLER) {
  static_assert(count == 1 || count == 2 || count == 4);
#ifdef __CUDACC__
  std::uint32_t* d = fragment;
  const std::uint32_t at = shared_address(row);
  if constexpr (count == 1)
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];" : "=r"(d[0]) : "r"(at) : "memory");
  if constexpr (count == 2)
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(d[0]), "=r"(d[1])
                 : "r"(at)
                 : "memory");
  if constexpr (count == 4)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
                 : "r"(at)
                 : "memory");
#else
  emulator::ldmatrix(fragment, count, true, row, caller_);
#endif
}

#ifdef __CUDACC__
#define QUERN_MMA(shape_and_types)                                                                                    \
  asm volatile("mma.sync.aligned." shape_and_types " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                                       \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
#endif

/// d [16, 8] += a · b in float. T is bf16 or fp16_bits: a [16, 16], b [16, 8]; or tf32_bits: a [16, 8], b [8, 8].
template <class T>
__device__ __forceinline__ void mma(float (&d)[4], const std::uint32_t (&a)[4],
                                    const std::uint32_t (&b)[2] QUERN_CALLER) {
  constexpr bool is_bf16 = std::is_same_v<T, bf16>, is_fp16 = std::is_same_v<T, fp16_bits>;
  static_assert(is_bf16 || is_fp16 || std::is_same_v<T, tf32_bits>);
#ifdef __CUDACC__
  if constexpr (is_bf16)
    QUERN_MMA("m16n8k16.row.col.f32.bf16.bf16.f32");
  else if constexpr (is_fp16)
    QUERN_MMA("m16n8k16.row.col.f32.f16.f16.f32");
  else
    QUERN_MMA("m16n8k8.row.col.f32.tf32.tf32.f32");
#else
  emulator::mma(is_bf16   ? emulator::Element::bf16
                : is_fp16 ? emulator::Element::fp16
                          : emulator::Element::tf32,
                d, a, b, caller_);
#endif
}

}  // namespace quern::inline QUERN_ABI::kernels
