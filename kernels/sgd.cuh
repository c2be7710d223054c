/// Steps of stochastic gradient descent, and what clipping and averages do, element by element; see
/// kernels/parameters.cuh. The formulas are those of cpu/sgd.hpp, fused where those are.
#pragma once
#include "kernels/parameters.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// Arrays: weight, gradient. Numbers: -rate, l2. Without l2 a row that is not marked is not visited.
struct SgdUpdate {
  static constexpr Form form{.arrays = 2, .writes = 0b01, .gradient = 1, .clears = true, .skips_unmarked = true};

  __device__ bool begin(int) { return true; }
  __device__ bool skips(const float (&number)[3]) const { return number[1] == 0; }
  __device__ void operator()(float (&x)[2], const float (&number)[3], float (&)[2]) const {
    x[0] = fmaf(number[0], fmaf(number[1], x[0], x[1]), x[0]);
  }
};

/// Arrays: weight, gradient, velocity. Numbers: -rate, l2.
struct MomentumUpdate {
  static constexpr Form form{.arrays = 3, .writes = 0b101, .gradient = 1, .clears = true};
  float momentum, rest;
  bool nesterov;

  __device__ bool begin(int) { return true; }
  __device__ void operator()(float (&x)[3], const float (&number)[3], float (&)[2]) const {
    const float g = fmaf(number[1], x[0], x[1]);
    const float u = without_tiny(fmaf(momentum, x[2], rest * g), least_moment);
    x[2] = u;
    x[0] = fmaf(number[0], nesterov ? fmaf(momentum, u, g) : u, x[0]);
  }
};

/// The sum of squares of one array.
struct SquaresSum {
  static constexpr Form form{.arrays = 1, .writes = 0, .gradient = 0, .skips_unmarked = true, .sums = 1};

  __device__ bool begin(int) { return true; }
  __device__ bool skips(const float (&)[3]) const { return true; }
  __device__ void operator()(float (&x)[1], const float (&)[3], float (&sum)[2]) const {
    sum[0] = fmaf(x[0], x[0], sum[0]);
  }
};

/// One array, times `factor`; or where `squares` is given, times largest / √squares if that makes it smaller: the host
/// need not know the norm.
struct ScaleUpdate {
  static constexpr Form form{.arrays = 1, .writes = 1, .gradient = 0, .skips_unmarked = true};
  float factor;
  double largest;
  const double* squares;

  __device__ bool begin(int) {
    if (!squares) return true;
    const double norm = sqrt(*squares);
    factor = float(largest / norm);
    return norm > largest && norm <= 1.7976931348623157e308;  // neither NaN nor infinite
  }
  __device__ bool skips(const float (&)[3]) const { return true; }
  __device__ void operator()(float (&x)[1], const float (&)[3], float (&)[2]) const { x[0] = factor * x[0]; }
};

/// One array, into [-most, most]; NaN stays.
struct ClampUpdate {
  static constexpr Form form{.arrays = 1, .writes = 1, .gradient = 0, .skips_unmarked = true};
  float most;

  __device__ bool begin(int) { return true; }
  __device__ bool skips(const float (&)[3]) const { return true; }
  __device__ void operator()(float (&x)[1], const float (&)[3], float (&)[2]) const {
    x[0] = x[0] > most ? most : x[0] < -most ? -most : x[0];
  }
};

/// Arrays: average, weight.
struct AverageUpdate {
  static constexpr Form form{.arrays = 2, .writes = 0b01};
  float rate;

  __device__ bool begin(int) { return true; }
  __device__ void operator()(float (&x)[2], const float (&)[3], float (&)[2]) const {
    x[0] = fmaf(rate, x[1] - x[0], x[0]);
  }
};

}  // namespace quern::inline QUERN_ABI::kernels
