/// The step of an attack: the vectors of each text are moved along their gradient, and back into a ball.
#pragma once
#include <quern/tensor/view.hpp>
#include "kernels/device/block.cuh"
#include "kernels/device/memory.cuh"
#include "kernels/launch.cuh"

namespace quern::inline QUERN_ABI::kernels {

struct AscendShared {
  double partial[32];
};

/// Block b of 256 threads, text b; a thread has every 256th element of it. Norms are sums of floats in a thread, and of
/// doubles over the threads. A text without a gradient stays where it is.
template <class T>
__global__ void __launch_bounds__(256)
    ascend(View<T, 2> r, View<const T, 2> gradient, View<const std::int64_t, 1> offsets, double step, double epsilon) {
  auto& s = shared_memory<AscendShared>();
  const std::int64_t width = r.extent(1);
  const std::int64_t begin = offsets(blockIdx.x) * width + threadIdx.x, end = offsets(blockIdx.x + 1) * width;
  float squares = 0;
  for (std::int64_t i = begin; i < end; i += blockDim.x)
    squares = fmaf(float(gradient.data[i]), float(gradient.data[i]), squares);
  const double slope = sqrt(block_sum(double(squares), s.partial));
  if (!(slope > 0) || slope > 1.7976931348623157e308) return;
  const auto along = float(step / slope);
  squares = 0;
  for (std::int64_t i = begin; i < end; i += blockDim.x) {
    r.data[i] = T(fmaf(along, float(gradient.data[i]), float(r.data[i])));
    squares = fmaf(float(r.data[i]), float(r.data[i]), squares);
  }
  const double length = sqrt(block_sum(double(squares), s.partial));
  if (!(length > epsilon)) return;
  const auto back = float(epsilon / length);
  for (std::int64_t i = begin; i < end; i += blockDim.x) r.data[i] = T(back * float(r.data[i]));
}

}  // namespace quern::inline QUERN_ABI::kernels
