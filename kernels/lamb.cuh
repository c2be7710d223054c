/// LAMB's step in three kernels, since a step's length is known only when all of its parameter was seen: moments with
/// the sums of each chunk, the sums of each parameter, the step. See kernels/parameters.cuh; the formulas are those of
/// cpu/lamb.hpp, fused where those are.
#pragma once
#include "kernels/parameters.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// correction · m / (√v + epsilon) + decay · w.
struct LambDirection {
  float epsilon, correction;
  __device__ __forceinline__ float operator()(float w, float m, float v, float decay) const {
    const float root = sqrtf(v) + epsilon;
    return fmaf(decay, w, correction * (m / (root < least_root ? least_root : root)));
  }
};

/// Arrays: weight, gradient, first moment, second moment. Numbers: rate, decay. Sums: the squares of the weight, and
/// of the direction.
struct LambMoments {
  static constexpr Form form{.arrays = 4, .writes = 0b1100, .gradient = 1, .clears = true, .sums = 2};
  float beta1, beta2, rest1, rest2;
  LambDirection direction;

  __device__ bool begin(int) { return true; }
  __device__ void operator()(float (&x)[4], const float (&number)[3], float (&sum)[2]) const {
    const float w = x[0], g = x[1];
    const float m = without_tiny(fmaf(beta1, x[2], rest1 * g), least_moment);
    const float v = without_tiny(fmaf(beta2, x[3], rest2 * (g * g)), least_square);
    x[2] = m, x[3] = v;
    const float u = direction(w, m, v, number[1]);
    sum[0] = fmaf(w, w, sum[0]), sum[1] = fmaf(u, u, sum[1]);
  }
};

/// The same arrays and numbers. squares[2 · i], squares[2 · i + 1]: of parameter i of the list.
struct LambUpdate {
  static constexpr Form form{.arrays = 3, .writes = 0b001};
  LambDirection direction;
  const double* squares;
  float ratio;  // of the weight's length to the direction's

  __device__ bool begin(int which) {
    const double w = squares[2 * which], u = squares[2 * which + 1];
    ratio = w != 0 && u != 0 ? float(sqrt(w / u)) : 1.f;
    return true;
  }
  __device__ void operator()(float (&x)[3], const float (&number)[3], float (&)[2]) const {
    x[0] = fmaf(-number[0] * ratio, direction(x[0], x[1], x[2], number[1]), x[0]);
  }
};

struct LambShared {
  double partial[update_threads / warp_size];
};

/// Block i of 256 threads: the two sums of parameter i over its chunks, in double, in a fixed order.
template <class T>
__global__ void __launch_bounds__(update_threads)
    add_chunks_of_parameters(const __grid_constant__ Parameters<T, 4> list, const float* sums, double* squares) {
  auto& s = shared_memory<LambShared>();
  for (int k = 0; k < 2; ++k) {
    double sum = 0;
    for (std::int64_t i = list.first_chunk[blockIdx.x] + threadIdx.x; i < list.first_chunk[blockIdx.x + 1];
         i += update_threads)
      sum += double(sums[2 * i + k]);
    sum = block_sum(sum, s.partial);
    if (threadIdx.x == 0) squares[2 * blockIdx.x + unsigned(k)] = sum;
  }
}

}  // namespace quern::inline QUERN_ABI::kernels
