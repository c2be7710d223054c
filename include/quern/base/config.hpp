/// The only place for option macros. Options are part of the inline namespace, so two translation units built with
/// different options can be linked into one program without meeting each other's definitions.
///
///   QUERN_CUDA    set by linking `quern::cuda` (or `quern::emulated`): ops have a GPU branch
///   QUERN_POISON  fresh tensors that were not asked to be zero hold NaN: reading one before writing shows up
///   QUERN_PORTABLE  loops for 16-byte vectors alone, without those for AVX2 and AVX-512: compiles faster, runs slower
#pragma once

#if defined(__FAST_MATH__)
#error "Quern tells NaN from numbers and keeps the order of its sums: compile without -ffast-math and -Ofast"
#endif

#ifdef QUERN_CUDA
#define QUERN_ABI_CUDA _cuda
#else
#define QUERN_ABI_CUDA
#endif
#ifdef QUERN_POISON
#define QUERN_ABI_POISON _poison
#else
#define QUERN_ABI_POISON
#endif
#ifdef QUERN_PORTABLE
#define QUERN_ABI_PORTABLE _portable
#else
#define QUERN_ABI_PORTABLE
#endif
#define QUERN_PASTE(a, b, c, d) a##b##c##d
#define QUERN_EXPAND_AND_PASTE(a, b, c, d) QUERN_PASTE(a, b, c, d)
#define QUERN_ABI QUERN_EXPAND_AND_PASTE(v0, QUERN_ABI_CUDA, QUERN_ABI_POISON, QUERN_ABI_PORTABLE)

#if defined(__CUDACC__)
#define QUERN_HD __host__ __device__  // what kernels call as well
#else
#define QUERN_HD
#endif

/// Every header writes `namespace quern::inline QUERN_ABI { … }`; users write `quern::` alone.
namespace quern::inline QUERN_ABI {

/// Whether this program was built with a GPU branch.
#ifdef QUERN_CUDA
inline constexpr bool has_cuda = true;
#else
inline constexpr bool has_cuda = false;
#endif

}  // namespace quern::inline QUERN_ABI
