/// Kernels over many parameters at once: a model has more small parameters than a launch may cost microseconds.
///
/// Up to 32 parameters travel as one kernel argument. Each is cut into chunks of 1024 vectors of 16 bytes, a block of
/// 256 threads has one chunk, and `first_chunk` tells a block whose chunk that is. What is done with the elements is a
/// struct, as in kernels/elementwise.cuh:
///
///   struct Scale {
///     static constexpr Form form{.arrays = 1, .writes = 1, .gradient = 0};
///     float factor;
///     __device__ bool begin(int) { return true; }                              // false: nothing to do
///     __device__ void operator()(float (&x)[1], const float (&number)[3], float (&sum)[2]) const { x[0] *= factor; }
///   };
///   for_each_list<T, 1>(listed, n, [&](const Parameters<T, 1>& list, const Part& part) {
///     launch("scale", update_parameters<T, Scale>, part.shape(), list, Scale{factor}, nullptr);
///   });
///
/// A row of a gradient that is not marked is zero: it is not read.
#pragma once
#include <quern/base/dtype.hpp>
#include "kernels/device/block.cuh"
#include "kernels/device/memory.cuh"
#include "kernels/launch.cuh"
#if !defined(__CUDACC_RTC__)
#include <quern/cuda/runtime.hpp>
#endif

namespace quern::inline QUERN_ABI::kernels {

inline constexpr int parameters_at_once = 32, update_threads = 256;
/// Elements of a chunk: four vectors a thread.
template <class T>
inline constexpr std::int64_t chunk_size = 4 * update_threads* pack_width<T>;

template <class T, int arrays>
struct Parameter {
  T* x[arrays];              // the weight, its gradient, its moments …
  const char* marks;         // of the gradient's rows, null: all count
  std::int64_t size, width;  // elements, and how many of them make a row
  float number[3];           // of this parameter alone: its rate, its decay
  bool aligned;              // all arrays begin at a multiple of 16 bytes
};
template <class T, int arrays>
struct Parameters {
  Parameter<T, arrays> of[parameters_at_once];
  unsigned first_chunk[parameters_at_once + 1];  // of each, among the chunks of the list
  int count;
};

/// What a struct does with the arrays.
struct Form {
  int arrays;
  unsigned writes;              // bit a: array a is written
  int gradient = -1;            // the array that has marks, if one has
  bool clears = false;          // the gradient is zero afterwards
  bool skips_unmarked = false;  // where a row is not marked nothing is done, if the struct's skips(number) agrees
  int sums = 0;                 // how many sums over the elements are wanted
};

template <class List>
__device__ __forceinline__ int parameter_of_chunk(const List& list, unsigned chunk) {
  int low = 0;
  for (int step = parameters_at_once / 2; step > 0; step /= 2)
    if (low + step < list.count && list.first_chunk[low + step] <= chunk) low += step;
  return low;
}

/// Whether one of the elements i … i+n-1 stands in a marked row. Rows shorter than a vector count as marked: to look at
/// the marks would cost more than to read the zeros.
template <class T, int arrays>
__device__ __forceinline__ bool is_marked(const Parameter<T, arrays>& p, std::int64_t i, int n) {
  if (!p.marks || p.width < 16) return true;
  if (p.size < (std::int64_t(1) << 31)) {  // 32 bits divide faster
    const auto at = unsigned(i), width = unsigned(p.width);
    return p.marks[at / width] || p.marks[(at + unsigned(n) - 1) / width];
  }
  return p.marks[i / p.width] || p.marks[(i + n - 1) / p.width];
}

/// The N elements from i on.
template <int N, class T, class F>
__device__ __forceinline__ void update_pack(const Parameter<T, F::form.arrays>& p, std::int64_t i, const F& f,
                                            float (&sum)[2]) {
  constexpr Form form = F::form;
  bool marked = true;
  if constexpr (form.gradient >= 0) marked = is_marked(p, i, N);
  if constexpr (form.skips_unmarked) {
    if (!marked && f.skips(p.number)) return;
  }
  Pack<T, N> x[form.arrays];
  for (int a = 0; a < form.arrays; ++a) {
    if (a != form.gradient || marked) {
      x[a] = load_pack<N>(p.x[a] + i);
    } else {
      for (int e = 0; e < N; ++e) x[a][e] = T(0.f);
    }
  }
  for (int e = 0; e < N; ++e) {
    float one[form.arrays];
    for (int a = 0; a < form.arrays; ++a) one[a] = float(x[a][e]);
    f(one, p.number, sum);
    if (form.clears) one[form.gradient] = 0;
    for (int a = 0; a < form.arrays; ++a)
      if ((form.writes >> a & 1) || (form.clears && a == form.gradient)) x[a][e] = T(one[a]);
  }
  for (int a = 0; a < form.arrays; ++a) {
    if (form.writes >> a & 1) store_pack(p.x[a] + i, x[a]);
    if (form.clears && a == form.gradient && marked) store_pack(p.x[a] + i, x[a]);
  }
}

struct UpdateShared {
  float partial[update_threads / warp_size];
};

/// Block b, chunk b of the list; a thread takes every 256th vector of it. Where F asks for sums, those of the chunk go
/// to sums[2 · b] and sums[2 · b + 1], each thread's in order, then the threads' in a fixed one.
template <class T, class F>
__global__ void __launch_bounds__(update_threads)
    update_parameters(const __grid_constant__ Parameters<T, F::form.arrays> list, F f, float* sums) {
  const int which = parameter_of_chunk(list, blockIdx.x);
  const auto& p = list.of[which];
  if (!f.begin(which)) return;
  constexpr int width = pack_width<T>;
  const std::int64_t begin = std::int64_t(blockIdx.x - list.first_chunk[which]) * chunk_size<T>;
  const std::int64_t end = begin + chunk_size<T> < p.size ? begin + chunk_size<T> : p.size;
  const std::int64_t whole = p.aligned ? begin + (end - begin) / width * width : begin;
  float sum[2] = {0, 0};
  for (std::int64_t i = begin + std::int64_t(threadIdx.x) * width; i < whole; i += update_threads * width)
    update_pack<width, T>(p, i, f, sum);
  for (std::int64_t i = whole + threadIdx.x; i < end; i += update_threads) update_pack<1, T>(p, i, f, sum);
  if constexpr (F::form.sums > 0) {
    auto& s = shared_memory<UpdateShared>();
    for (int k = 0; k < F::form.sums; ++k) {
      const float total = block_sum(sum[k], s.partial);
      if (threadIdx.x == 0) sums[2 * std::int64_t(blockIdx.x) + k] = total;
    }
  }
}

struct AddChunksShared {
  double partial[32];
};

/// Block k of 256 threads: total[k] = the sum of sums[2 · i + k] over chunks 0 … n-1, in double: every 256th by a
/// thread in order, then the threads' in a fixed order.
template <class Total>
__global__ void __launch_bounds__(update_threads) add_chunks(const float* sums, std::int64_t n, Total* total) {
  auto& s = shared_memory<AddChunksShared>();
  Total sum = 0;
  for (std::int64_t i = threadIdx.x; i < n; i += update_threads) sum += Total(sums[2 * i + blockIdx.x]);
  sum = block_sum(sum, s.partial);
  if (threadIdx.x == 0) total[blockIdx.x] = sum;
}

/// x, or 0 where |x| < least; NaN stays. See cpu/moments.hpp for the bounds.
inline constexpr float least_moment = 1.17549435e-38f * 1e8f, least_square = 1.17549435e-38f;
inline constexpr float least_root = 1.08420217e-19f;
__device__ __forceinline__ float without_tiny(float x, float least) { return fabsf(x) < least ? 0.f : x; }

#if !defined(__CUDACC_RTC__)
/// Host side, after a kernel that has cleared the gradients of these parameters: no row is marked any more. Not done by
/// that kernel, whose blocks read the marks in any order.
template <class P>
void clear_marks(const P* parameters, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i)
    if (const P& p = parameters[i]; p.marks)
      cuda::set_bytes(p.marks, 0, std::size_t(p.size / p.width), cuda::current_device());
}

/// Which part of a list of parameters a launch is about.
struct Part {
  std::int64_t first_parameter, first_chunk;
  unsigned chunks;
  LaunchShape shape() const { return {.grid = {chunks}, .block = {update_threads}, .shared = sizeof(UpdateShared)}; }
};

/// Host side: calls f(parameters, part) for up to 32 of `n` at a time. `parameter(i)` gives number i; sizes are not 0.
template <class T, int arrays>
void for_each_list(std::int64_t n, auto&& parameter, auto&& f) {
  Part part{0, 0, 0};
  for (; part.first_parameter < n; part.first_parameter += parameters_at_once) {
    Parameters<T, arrays> list{};
    list.count = int(n - part.first_parameter < parameters_at_once ? n - part.first_parameter : parameters_at_once);
    part.chunks = 0;
    for (int i = 0; i < list.count; ++i) {
      Parameter<T, arrays>& p = list.of[i] = parameter(part.first_parameter + i);
      p.aligned = true;
      for (const T* x : p.x) p.aligned = p.aligned && std::uintptr_t(x) % 16 == 0;
      list.first_chunk[i] = part.chunks;
      part.chunks += unsigned((p.size + chunk_size<T> - 1) / chunk_size<T>);
    }
    list.first_chunk[list.count] = part.chunks;
    f(list, part);
    part.first_chunk += part.chunks;
  }
}
#endif

}  // namespace quern::inline QUERN_ABI::kernels
