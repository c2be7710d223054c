/// Conversions between float and bf16: of one array, and of the parameters of a model many at a time.
#pragma once
#include <quern/cuda/convert.hpp>
#include "kernels/elementwise.cuh"
#include "kernels/parameters.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// One thread for 8 elements, if both arrays are `aligned` to their packs of 8; else, and for the last, one for each.
template <class X, class Y>
__global__ void __launch_bounds__(256) convert(const X* x, Y* y, std::int64_t n, bool aligned) {
  const std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  constexpr int width = 8;
  const std::int64_t packs = aligned ? n / width : 0;
  if (i < packs) {
    constexpr int of_x = pack_width<X> < width ? pack_width<X> : width,
                  of_y = pack_width<Y> < width ? pack_width<Y> : width;
    Pack<X, of_x> from[width / of_x];
    Pack<Y, of_y> to[width / of_y];
    for (int k = 0; k < width / of_x; ++k) from[k] = load_pack<of_x>(x + i * width + k * of_x);
    for (int e = 0; e < width; ++e) to[e / of_y][e % of_y] = Y(float(from[e / of_x][e % of_x]));
    for (int k = 0; k < width / of_y; ++k) store_pack(y + i * width + k * of_y, to[k]);
  } else if (const std::int64_t at = packs * width + (i - packs); at < n) {
    y[at] = Y(float(x[at]));
  }
}

/// Parameters that exist in float and in bf16, as kernels/parameters.cuh has those of one type.
struct MixedParameters {
  cuda::MixedParameter of[parameters_at_once];
  unsigned first_chunk[parameters_at_once + 1];
  bool aligned[parameters_at_once];
  int count;
};
inline constexpr std::int64_t mixed_chunk = 4 * update_threads * 4;  // four packs of four a thread

/// exact += low, low = 0.
struct Collect {
  template <int N>
  __device__ __forceinline__ void operator()(const cuda::MixedParameter& p, std::int64_t i) const {
    const bool reads_marks = p.low_marks && p.width >= 16;
    const std::int64_t first = i / p.width, last = (i + N - 1) / p.width;
    if (reads_marks && !p.low_marks[first] && !p.low_marks[last]) return;
    auto low = load_pack<N>(p.low + i);
    auto exact = load_pack<N>(p.exact + i);
    for (int e = 0; e < N; ++e) exact[e] += float(low[e]), low[e] = bf16(0.f);
    store_pack(p.exact + i, exact);
    store_pack(p.low + i, low);
    if (p.low_marks && p.marks)
      for (std::int64_t row = first; row <= last; ++row)
        if (p.low_marks[row]) p.marks[row] = 1;  // by all who have a part of the row: the same value
  }
};
/// low = exact.
struct Refresh {
  template <int N>
  __device__ __forceinline__ void operator()(const cuda::MixedParameter& p, std::int64_t i) const {
    const auto exact = load_pack<N>(p.exact + i);
    Pack<bf16, N> low;
    for (int e = 0; e < N; ++e) low[e] = bf16(exact[e]);
    store_pack(p.low + i, low);
  }
};

/// Block b, chunk b of the list; a thread takes every 256th pack of four of it.
template <class F>
__global__ void __launch_bounds__(update_threads) update_mixed(const __grid_constant__ MixedParameters list, F f) {
  const int which = parameter_of_chunk(list, blockIdx.x);
  const auto& p = list.of[which];
  const std::int64_t begin = std::int64_t(blockIdx.x - list.first_chunk[which]) * mixed_chunk;
  const std::int64_t end = begin + mixed_chunk < p.size ? begin + mixed_chunk : p.size;
  const std::int64_t whole = list.aligned[which] ? begin + (end - begin) / 4 * 4 : begin;
  for (std::int64_t i = begin + std::int64_t(threadIdx.x) * 4; i < whole; i += update_threads * 4)
    f.template operator()<4>(p, i);
  for (std::int64_t i = whole + threadIdx.x; i < end; i += update_threads) f.template operator()<1>(p, i);
}

}  // namespace quern::inline QUERN_ABI::kernels
