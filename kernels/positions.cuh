/// Kernels of positions.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

#include "kernels/fault.cuh"
#include "kernels/launch.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// Grid: a block of 256 threads for each text; thread t has its tokens t, t + 256, …
__global__ void __launch_bounds__(256)
    token_positions(View<const std::int64_t, 1> offsets, View<std::int32_t, 1> y) {
  const std::int64_t first = offsets(blockIdx.x), tokens = offsets(blockIdx.x + 1) - first;
  for (std::int64_t t = threadIdx.x; t < tokens; t += 256) y(first + t) = std::int32_t(t);
}

/// Grid: a thread for each text.
__global__ void __launch_bounds__(256)
    first_rows(View<const std::int64_t, 1> offsets, View<std::int32_t, 1> y, cuda::Fault* fault, const char* op) {
  const std::int64_t b = std::int64_t(blockIdx.x) * 256 + threadIdx.x;
  if (b >= y.size()) return;
  const std::int64_t rows = offsets(b + 1) - offsets(b);
  if (rows <= 0) report_fault(fault, cuda::FaultKind::empty_text, b, rows, y.size(), op);
  y(b) = rows <= 0 ? 0 : std::int32_t(offsets(b));
}

/// Grid (texts, tiles of columns): a block of 256 threads, thread t has columns 2 t and 2 t + 1 of its tile, and goes
/// through the tokens of its text. The frequency is a float: the angle of a token errs by its place times 2⁻²³ at most.
template <class T>
__global__ void __launch_bounds__(256) sinusoidal_positions(View<const std::int64_t, 1> offsets, View<T, 2> y) {
  const std::int64_t first = offsets(blockIdx.x), tokens = offsets(blockIdx.x + 1) - first;
  const std::int64_t c = 2 * (std::int64_t(blockIdx.y) * 256 + threadIdx.x), width = y.extent(1);
  if (c >= width) return;
  const float frequency = expf(-9.210340372f * float(c) / float(width));  // 10000^(-c/E)
  for (std::int64_t t = 0; t < tokens; ++t) {
    const float angle = float(t) * frequency;
    y(first + t, c) = T(sinf(angle));
    if (c + 1 < width) y(first + t, c + 1) = T(cosf(angle));
  }
}

}  // namespace quern::inline QUERN_ABI::kernels
