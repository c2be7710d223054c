/// Kernels of dropout: forward and backward are the same product with a mask that is drawn again each time. A block of
/// Philox is four numbers, so a thread takes whole blocks of four elements: the ten rounds are the most work of all.
#pragma once
#include <quern/tensor/philox.hpp>

#include "kernels/elements.cuh"
#include "kernels/launch.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// The mask, for any kernel that fuses dropout with other work: element i stays where its 32 bits are at least
/// `threshold`, p · 2^32, and is then multiplied by `scale`, 1 / (1-p). What stands in a dropped place is gone, NaN
/// too.
struct DropoutMask {
  RandomStream stream;
  std::uint32_t threshold;
  float scale;

  __device__ __forceinline__ float of_bits(std::uint32_t bits, float x) const {
    return bits >= threshold ? x * scale : 0.f;
  }
  /// x times the mask of element i.
  __device__ __forceinline__ float operator()(std::int64_t i, float x) const {
    return of_bits(stream.bits(std::uint64_t(i)), x);
  }
  /// out[k] = x[k] times the mask of element first + k; `first` and `width` are multiples of four.
  template <int width, class X>
  __device__ __forceinline__ void apply(std::int64_t first, const X& x, float (&out)[width]) const {
    static_assert(width % 4 == 0);
    for (int k = 0; k < width; k += 4) {
      const PhiloxBlock block = stream.block(std::uint64_t(first + k) / 4);
      for (int j = 0; j < 4; ++j) out[k + j] = of_bits(block.x[j], x[k + j]);
    }
  }
};

inline constexpr int dropout_threads = 256, dropout_width = 8;

/// One-dimensional grid and block: eight neighbouring elements a thread, in packs of 16 bytes where `aligned`. The
/// thread that the array ends in takes what is left of its eight.
template <class T>
__global__ void __launch_bounds__(dropout_threads)
    dropout(const T* x, T* y, std::int64_t n, bool aligned, DropoutMask mask) {
  const std::int64_t first = (std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * dropout_width;
  float out[dropout_width];
  if (aligned && first + dropout_width <= n) {
    const auto in = load_elements<dropout_width>(x + first);
    mask.apply(first, in, out);
    store_elements(y + first, out);
  } else if (first < n) {
    float in[dropout_width];
    for (int k = 0; k < dropout_width; ++k) in[k] = first + k < n ? float(x[first + k]) : 0.f;
    mask.apply(first, in, out);
    for (int k = 0; k < dropout_width; ++k)
      if (first + k < n) y[first + k] = T(out[k]);
  }
}

/// One element a thread, with a block of Philox for each.
template <class T>
__global__ void dropout_slow(const T* x, T* y, std::int64_t n, DropoutMask mask) {
  const std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) y[i] = T(mask(i, float(x[i])));
}

}  // namespace quern::inline QUERN_ABI::kernels
