/// The only place for option macros. Options are part of the inline namespace, so two translation units built with
/// different options can be linked into one program without meeting each other's definitions.
///
///   QUERN_CUDA    set by linking `quern::cuda` (or `quern::emulated`): ops have a GPU branch
///   QUERN_POISON  fresh tensors that were not asked to be zero hold NaN: reading one before writing shows up
#pragma once

#if defined(__FAST_MATH__)
#error "Quern tells NaN from numbers and keeps the order of its sums: compile without -ffast-math and -Ofast"
#endif

#if defined(QUERN_CUDA) && defined(QUERN_POISON)
#define QUERN_ABI v0_cuda_poison
#elif defined(QUERN_CUDA)
#define QUERN_ABI v0_cuda
#elif defined(QUERN_POISON)
#define QUERN_ABI v0_poison
#else
#define QUERN_ABI v0
#endif

/// Every header writes `namespace quern::inline QUERN_ABI { … }`; users write `quern::` alone.
namespace quern::inline QUERN_ABI {}
