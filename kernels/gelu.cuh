/// Kernels of gelu in both forms: element by element (kernels/elementwise.cuh), and backward with the gradient of the
/// bias that was added to make x.
///
/// As on the CPU, x is held within ±20, where value and slope have long reached their limits: no product of infinity
/// and 0 arises. Comparisons keep NaN, where fminf and fmaxf would drop it.
#pragma once
#include <quern/tensor/view.hpp>

#include "kernels/activations.cuh"
#include "kernels/elementwise.cuh"

namespace quern::inline QUERN_ABI::kernels {

template <class T>
struct GeluErf {
  __device__ float operator()(float x) const {
    const float v = x < -20 ? -20.f : x;
    return v * normal<T>(v).below;
  }
};
template <class T>
struct GeluErfBackward {
  __device__ float operator()(float dy, float x) const {
    const float v = x < -20 ? -20.f : x > 20 ? 20.f : x;
    const Normal n = normal<T>(v);
    return dy * (n.below + v * n.density);
  }
};

/// (1 + tanh u) / 2 = 1 / (1 + e⁻²ᵘ), u = √(2/π) (x + 0.044715 x³)
template <class T>
__device__ __forceinline__ float gelu_gate_tanh(float x) {
  constexpr float scale = 2 * 0.79788456080286535588f;
  return logistic<T>(x * (scale + scale * 0.044715f * x * x));
}
template <class T>
struct GeluTanh {
  __device__ float operator()(float x) const {
    const float v = x < -20 ? -20.f : x;
    return v * gelu_gate_tanh<T>(v);
  }
};
template <class T>
struct GeluTanhBackward {
  __device__ float operator()(float dy, float x) const {
    constexpr float scale = 2 * 0.79788456080286535588f;
    const float v = x < -20 ? -20.f : x > 20 ? 20.f : x;
    const float gate = gelu_gate_tanh<T>(v), twice_slope = scale + 3 * scale * 0.044715f * v * v;
    return dy * (gate + v * gate * (1.f - gate) * twice_slope);
  }
};

inline constexpr int bias_threads = 256;

/// The partial sums of each thread, those of one kind side by side: neighbouring threads use neighbouring banks.
template <int width>
struct BiasShared {
  float sum[width][bias_threads];
};

/// The matrix and how threads are laid over it: `lanes` (a power of two, 32 at most) neighbours in a row.
struct BiasGrid {
  std::int64_t rows, columns, rows_a_slice;
  int lanes;
};

/// dx = f(dy, x), and the sums of its columns in each slice of rows. Grid (columns / (lanes · width), slices), block
/// bias_threads: threads of one row beside each other, each for `width` columns; the rows of the slice are dealt out to
/// the block's rows of threads, two at a time so that four loads are under way. Then each thread adds one column's
/// partial sums, in the order of the thread rows. Four blocks a multiprocessor leave 64 registers a thread; left to
/// itself ptxas takes fewer on sm_86, and spills.
template <int width, class T, class F>
__global__ void __launch_bounds__(bias_threads, 4)
    backward_bias(const T* __restrict__ dy, const T* __restrict__ x, T* __restrict__ dx, BiasGrid g, F f,
                  float* __restrict__ partial) {
  auto& s = shared_memory<BiasShared<width>>();
  const int lane = int(threadIdx.x) & (g.lanes - 1), thread_row = int(threadIdx.x) / g.lanes;
  const int step = bias_threads / g.lanes;
  const std::int64_t first = std::int64_t(blockIdx.x) * g.lanes * width, column = first + lane * width;
  const std::int64_t begin = blockIdx.y * g.rows_a_slice;
  const std::int64_t end = begin + g.rows_a_slice < g.rows ? begin + g.rows_a_slice : g.rows;
  float sum[width] = {};
  const auto take = [&](const Elements<T, width>& a, const Elements<T, width>& b, std::int64_t at) {
    float out[width];
    apply_to_elements(out, f, a, b);
    store_elements(dx + at, out);
    for (int i = 0; i < width; ++i) sum[i] += out[i];
  };
  if (column < g.columns) {
    std::int64_t row = begin + thread_row;
    for (; row + step < end; row += 2 * step) {
      const std::int64_t at = row * g.columns + column, next = at + step * g.columns;
      const auto a = load_elements<width>(dy + at), b = load_elements<width>(x + at);
      const auto c = load_elements<width>(dy + next), d = load_elements<width>(x + next);
      take(a, b, at), take(c, d, next);
    }
    if (row < end) {
      const std::int64_t at = row * g.columns + column;
      take(load_elements<width>(dy + at), load_elements<width>(x + at), at);
    }
  }
  for (int i = 0; i < width; ++i) s.sum[i][threadIdx.x] = sum[i];
  __syncthreads();
  const int place = int(threadIdx.x) / g.lanes;  // which of its width columns this thread adds up
  const std::int64_t mine = first + lane * width + place;
  if (place >= width || mine >= g.columns) return;
  float all = 0;
  for (int r = 0; r < step; ++r) all += s.sum[place][r * g.lanes + lane];
  partial[blockIdx.y * g.columns + mine] = all;
}

struct PartialSumShared {
  float sum[8][32];
};

/// y(c) = Σ of partial(s, c) over the slices. Block 256: 32 columns beside each other, 8 threads a column, each for
/// every eighth slice; then the first 32 threads add the eight, in order.
template <class T>
__global__ void __launch_bounds__(256)
    sum_slices(const float* __restrict__ partial, T* __restrict__ y, std::int64_t slices, std::int64_t columns) {
  auto& s = shared_memory<PartialSumShared>();
  const int lane = int(threadIdx.x) % 32, eighth = int(threadIdx.x) / 32;
  const std::int64_t column = std::int64_t(blockIdx.x) * 32 + lane;
  float sum = 0;
  if (column < columns)
    for (std::int64_t i = eighth; i < slices; i += 8) sum += partial[i * columns + column];
  s.sum[eighth][lane] = sum;
  __syncthreads();
  if (eighth > 0 || column >= columns) return;
  float all = 0;
  for (int k = 0; k < 8; ++k) all += s.sum[k][lane];
  y[column] = T(all);
}

/// One thread a column, row by row: slow, and plainly right.
template <class T, class F>
__global__ void backward_bias_slow(View<const T, 2> dy, View<const T, 2> x, View<T, 2> dx, View<T, 1> dbias, F f) {
  const std::int64_t c = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (c >= dx.extent(1)) return;
  float sum = 0;
  for (std::int64_t r = 0; r < dx.extent(0); ++r) {
    const float d = f(float(dy(r, c)), float(x(r, c)));
    dx(r, c) = T(d);
    sum += d;
  }
  dbias(c) = T(sum);
}

}  // namespace quern::inline QUERN_ABI::kernels
