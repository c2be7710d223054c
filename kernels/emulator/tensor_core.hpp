/// The models behind device/mma.cuh and device/wgmma.cuh. Fragments lie in lanes as the PTX manual draws them; numbers
/// are multiplied and added in float, in the order of k.
#pragma once
#include <cstdint>

#include <quern/base/error.hpp>

namespace quern::inline QUERN_ABI::emulator {

enum class Element { bf16, fp16, tf32 };

/// `count` 8x8 matrices of 16-bit elements; lane i gives the address of row i % 8 of matrix i / 8.
void ldmatrix(std::uint32_t* fragment, int count, bool transpose, const void* row, Caller at);

/// d += a · b: d [16, 8]; a [16, 16] and b [16, 8] of 16-bit elements, or a [16, 8] and b [8, 8] of tf32.
void mma(Element element, float* d, const std::uint32_t* a, const std::uint32_t* b, Caller at);

/// d [64, n] of a warpgroup, n / 2 registers a thread: d = a · b, or d += a · b. Both operands in shared memory.
void wgmma(Element element, float* d, int n, std::uint64_t a, std::uint64_t b, bool accumulate, Caller at);
void wgmma_fence();
void wgmma_commit();
void wgmma_wait(unsigned groups_left, Caller at);
std::uint64_t wgmma_descriptor(const void* tile, Caller at);

}  // namespace quern::inline QUERN_ABI::emulator
