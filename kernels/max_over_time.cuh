/// Kernels of max_over_time.
#pragma once
#include "kernels/fault.cuh"
#include "kernels/rows.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// Grid: texts · tiles blocks of 8 warps; a tile is 32 columns. Lane l has a column, and warp w the rows w, w + 8, … of
/// the block's text; the first warp takes the greatest of what the warps found: of equal ones the first row's, and a
/// NaN is greater than any number.
template <class T>
__global__ void __launch_bounds__(256)
    max_over_time(View<const T, 2> x, View<const std::int64_t, 1> offsets, View<T, 2> y, View<std::int32_t, 2> where,
                  cuda::Fault* fault, const char* op) {
  struct Shared {
    Indexed<float> best[8][warp_size];
  };
  auto& s = shared_memory<Shared>();
  const std::int64_t columns = y.extent(1), tiles = (columns + warp_size - 1) / warp_size;
  const std::int64_t b = blockIdx.x / tiles, c = blockIdx.x % tiles * warp_size + lane_of_thread();
  const std::int64_t first = offsets(b), rows = offsets(b + 1) - first;
  if (rows <= 0 && threadIdx.x == 0) report_fault(fault, cuda::FaultKind::empty_text, b, rows, y.extent(0), op);
  Indexed<float> best{-infinity, 0x7fffffff};
  if (c < columns)
    for (std::int64_t t = warp_of_thread(); t < rows; t += 8)
      best = ArgMax{}(best, Indexed<float>{float(x(first + t, c)), int(t)});
  s.best[warp_of_thread()][lane_of_thread()] = best;
  __syncthreads();
  if (warp_of_thread() != 0 || c >= columns) return;
  for (int w = 1; w < 8; ++w) best = ArgMax{}(best, s.best[w][lane_of_thread()]);
  y(b, c) = T(best.value);
  where(b, c) = best.index;
}

/// Grid: a block of 8 warps for each text. Warp w has rows w, w + 8, … of it, lane l columns l, l + 32, … Every element
/// of dx is written once, so nothing has to be cleared before.
template <class T>
__global__ void __launch_bounds__(256) max_over_time_backward(View<const T, 2> dy, View<const std::int64_t, 1> offsets,
                                                              View<const std::int32_t, 2> where, View<T, 2> dx) {
  const std::int64_t b = blockIdx.x, first = offsets(b), rows = offsets(b + 1) - first;
  for (std::int64_t t = warp_of_thread(); t < rows; t += 8)
    for (std::int64_t c = lane_of_thread(); c < dy.extent(1); c += warp_size)
      dx(first + t, c) = where(b, c) == t ? dy(b, c) : T(0.f);
}

}  // namespace quern::inline QUERN_ABI::kernels
