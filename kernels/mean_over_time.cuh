/// Kernels of mean_over_time.
#pragma once
#include "kernels/fault.cuh"
#include "kernels/rows.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// Grid: texts · tiles blocks of 8 warps; a tile is 32 columns. Lane l has a column, and warp w the rows w, w + 8, … of
/// the block's text; the first warp adds what the warps found, in order.
template <class T>
__global__ void __launch_bounds__(256) mean_over_time(View<const T, 2> x, View<const std::int64_t, 1> offsets,
                                                      View<T, 2> y, cuda::Fault* fault, const char* op) {
  struct Shared {
    float sums[8][warp_size];
  };
  auto& s = shared_memory<Shared>();
  const std::int64_t columns = y.extent(1), tiles = (columns + warp_size - 1) / warp_size;
  const std::int64_t b = blockIdx.x / tiles, c = blockIdx.x % tiles * warp_size + lane_of_thread();
  const std::int64_t first = offsets(b), rows = offsets(b + 1) - first;
  if (rows <= 0 && threadIdx.x == 0)
    report_fault(fault, cuda::FaultKind::empty_text, b, rows, y.extent(0), op);  // and the mean is NaN
  float sum = 0;
  if (c < columns)
    for (std::int64_t t = warp_of_thread(); t < rows; t += 8) sum += float(x(first + t, c));
  s.sums[warp_of_thread()][lane_of_thread()] = sum;
  __syncthreads();
  if (warp_of_thread() != 0 || c >= columns) return;
  for (int w = 1; w < 8; ++w) sum += s.sums[w][lane_of_thread()];
  y(b, c) = T(sum / float(rows));
}

/// Grid: a block of 8 warps for each text. Warp w has rows w, w + 8, … of it, lane l columns l, l + 32, …
template <class T>
__global__ void __launch_bounds__(256)
    mean_over_time_backward(View<const T, 2> dy, View<const std::int64_t, 1> offsets, View<T, 2> dx) {
  const std::int64_t b = blockIdx.x, first = offsets(b), rows = offsets(b + 1) - first;
  const float share = 1 / float(rows);
  for (std::int64_t t = warp_of_thread(); t < rows; t += 8)
    for (std::int64_t c = lane_of_thread(); c < dy.extent(1); c += warp_size)
      dx(first + t, c) = T(float(dy(b, c)) * share);
}

}  // namespace quern::inline QUERN_ABI::kernels
