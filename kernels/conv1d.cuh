/// conv1d as a product, without a matrix of windows: its three operands say where a window's elements stand, and the
/// kernels of matmul do the rest.
///
///   forward    y [windows, F]  = windows(x) tapsᵀ            K = width · E
///   dweight    dtaps [F, width·E] = dzᵀ windows(x)           K = windows
///   dx         dx [N, E]       = the windows of a row · taps  K = width · F
#pragma once
#include <quern/tensor/view.hpp>

#include "kernels/fault.cuh"
#include "kernels/matmul_operands.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// n / divisor for 0 ≤ n < 2^31 by a multiplication (Granlund & Montgomery 1994): divisions cost dozens of
/// instructions.
struct Divisor {
  unsigned divisor = 1, factor = 0, shift = 0;

  Divisor() = default;
  QUERN_HD explicit Divisor(std::int64_t d)
      : divisor(d < 1 ? 1u : unsigned(d)) {  // of 0 columns there is nothing to divide
    while (shift < 31 && (1u << shift) < divisor) ++shift;
    factor = unsigned(((std::uint64_t{1} << 32) * ((std::uint64_t{1} << shift) - divisor)) / divisor + 1);
  }
  __device__ __forceinline__ unsigned quotient(unsigned n) const { return (__umulhi(n, factor) + n) >> shift; }
};

/// Line r is window r of the texts: the `width` padded rows from r on, one after another.
template <class T, bool k_inside_>
struct WindowsOperand {
  using Element = T;
  static constexpr bool k_inside = k_inside_;
  const T* data;  // x
  const std::int32_t* source;
  Divisor columns;
  __device__ __forceinline__ const T* at(std::int64_t window, std::int64_t inside) const {
    const unsigned tap = columns.quotient(unsigned(inside));
    const int row = source[window + tap];
    return row < 0 ? nullptr : data + std::int64_t(row) * columns.divisor + (unsigned(inside) - tap * columns.divisor);
  }
};

/// Line s is what the windows that cover row s of x got: element w · F + f is dz of filter f in the window whose tap w
/// it is. Every row of x is covered by `width` windows of its own text.
template <class T>
struct CoveringWindows {
  using Element = T;
  static constexpr bool k_inside = true;
  const T* data;  // dz
  const std::int32_t* padded;
  Divisor filters;
  __device__ __forceinline__ const T* at(std::int64_t row, std::int64_t inside) const {
    const unsigned tap = filters.quotient(unsigned(inside));
    return data + (std::int64_t(padded[row]) - tap) * filters.divisor + (unsigned(inside) - tap * filters.divisor);
  }
};

/// Line w · F + f is tap w of filter f: E elements.
template <class T>
struct TapsOperand {
  using Element = T;
  static constexpr bool k_inside = false;
  const T* data;  // taps [F, length]
  std::int64_t length;
  Divisor filters;
  std::int64_t columns;
  __device__ __forceinline__ const T* at(std::int64_t line, std::int64_t inside) const {
    const unsigned tap = filters.quotient(unsigned(line));
    return data + (unsigned(line) - tap * filters.divisor) * length + tap * columns + inside;
  }
};

/// The last text whose windows begin at window r or before it. With texts · 0 windows in front the last one is meant.
__device__ inline std::int64_t text_of_window(const std::int64_t* offsets, std::int64_t texts, std::int64_t gap,
                                              std::int64_t window) {
  std::int64_t low = 0, high = texts;  // the answer is in [low, high)
  while (high - low > 1) {
    const std::int64_t middle = (low + high) / 2;
    (offsets[middle] + middle * gap <= window ? low : high) = middle;
  }
  return low;
}

/// Thread p of the grid looks padded row p up, and checks text p. Grid: max(padded rows, texts) / 256 blocks of 256.
template <class Index>
__global__ void __launch_bounds__(256)
    window_places(View<const std::int64_t, 1> offsets, std::int64_t width, View<Index, 1> source, View<Index, 1> padded,
                  View<Index, 1> text, cuda::Fault* fault_of_empty) {
  const std::int64_t p = std::int64_t(blockIdx.x) * 256 + threadIdx.x, gap = width - 1, texts = offsets.size() - 1;
  if (fault_of_empty && p < texts && offsets.data[p + 1] <= offsets.data[p])
    report_fault(fault_of_empty, cuda::FaultKind::empty_text, p, 0, 0);
  if (p >= source.size()) return;
  Index found = -1;
  if (p < text.size()) {
    const std::int64_t b = text_of_window(offsets.data, texts, gap, p), row = p - (b + 1) * gap;
    text.data[p] = Index(b);
    if (row >= offsets.data[b] && row < offsets.data[b + 1]) {
      found = Index(row);
      padded.data[row] = Index(p);
    }
  }
  source.data[p] = found;
}

/// One thread an offset.
template <class Offset>
__global__ void __launch_bounds__(256)
    window_offsets(View<const Offset, 1> offsets, std::int64_t width, View<Offset, 1> windows) {
  const std::int64_t b = std::int64_t(blockIdx.x) * 256 + threadIdx.x;
  if (b < windows.size()) windows.data[b] = offsets.data[b] + b * (width - 1);
}

/// One thread an element of taps: weight [F, E, width] → taps [F, width·E].
template <class T>
__global__ void __launch_bounds__(256) taps_of(View<const T, 3> weight, View<T, 2> taps) {
  const std::int64_t at = std::int64_t(blockIdx.x) * 256 + threadIdx.x;
  if (at >= taps.size()) return;
  const std::int64_t columns = weight.extent(1), in_row = at % taps.extent(1);
  taps.data[at] = weight(at / taps.extent(1), in_row % columns, in_row / columns);
}

/// Where element (f, w · E + e) of a gradient of taps goes in that of the weights.
struct PlaceOfTap {
  std::int64_t columns, width;
  __device__ std::int64_t operator()(std::int64_t f, std::int64_t tap) const {
    return (f * columns + tap % columns) * width + tap / columns;
  }
};

}  // namespace quern::inline QUERN_ABI::kernels
