/// Sums over everything, in two passes with fixed borders: blocks add up their pieces in float, one block adds those up
/// in double. What is summed is f(i, x[i]…), so that losses need no pass of their own.
///
///   struct Square { __device__ float operator()(std::int64_t, float x) const { return x * x; } };
///   auto sums = sum_terms<T>("norm", n, Square{}, x);                       // host side: launches the first pass
///   finish_sum("norm", sums, n, y);                                         // y = Σ / n
#pragma once
#if !defined(__CUDACC_RTC__)
#include <algorithm>

#include <quern/cuda/runtime.hpp>
#include <quern/tensor/tensor.hpp>
#endif
#include <quern/base/dtype.hpp>

#include "kernels/rows.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// Grid: a block of 256 for each piece of [0, n). Thread t takes the packs t, t + 256, … of its block's piece, and the
/// last block's the n % W elements that are left. `piece` is a multiple of W.
template <int W, class T, class F, class... X>
__global__ void __launch_bounds__(256)
    sum_terms_kernel(std::int64_t n, std::int64_t piece, F f, float* sums, const X*... x) {
  const BlockTeam team(shared_memory<RowShared>().partial);
  const std::int64_t packed = n / W * W, begin = blockIdx.x * piece;
  const std::int64_t end = begin + piece < packed ? begin + piece : packed;
  float sum = 0;
  for (std::int64_t i = begin + team.rank() * W; i < end; i += team.size() * W)
    [&](const auto&... in) {
      for (int j = 0; j < W; ++j) sum += f(i + j, in[j]...);
    }(load_elements<W>(x + i)...);
  if (blockIdx.x == gridDim.x - 1)
    for (std::int64_t i = packed + team.rank(); i < n; i += team.size()) sum += f(i, float(x[i])...);
  sum = team.sum(sum);
  if (team.rank() == 0) sums[blockIdx.x] = sum;
}

/// Grid: one block of 256. y = Σ sums / divisor.
template <class T>
__global__ void __launch_bounds__(256) finish_sum_kernel(const float* sums, std::int64_t count, double divisor, T* y) {
  struct Shared {
    double partial[32];
  };
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += blockDim.x) sum += double(sums[i]);
  sum = block_sum(sum, shared_memory<Shared>().partial);
  if (threadIdx.x == 0) *y = T(sum / divisor);
}

#if !defined(__CUDACC_RTC__)
inline Tensor<float, 1> float_workspace(std::int64_t n) {
  return Tensor<float, 1>::empty({n}, Device::cuda(cuda::current_device()));
}

/// Pieces for sums: enough of them for every GPU's multiprocessors, of at least 4096 elements.
struct Pieces {
  std::int64_t count, size;
};
inline Pieces pieces_of_sum(std::int64_t n) {
  constexpr std::int64_t step = 2048;  // a multiple of what a block takes at once
  const std::int64_t wanted = std::min<std::int64_t>(std::max<std::int64_t>(1, n / 4096), 1056);
  const std::int64_t size = std::max<std::int64_t>(1, (n + wanted * step - 1) / (wanted * step)) * step;
  return {std::max<std::int64_t>(1, (n + size - 1) / size), size};
}

/// Σ f(i, x[i]…) of each piece.
template <class T, class F, class... X>
Tensor<float, 1> sum_terms(const char* name, std::int64_t n, const F& f, const X*... x) {
  const auto [count, size] = pieces_of_sum(n);
  auto sums = float_workspace(count);
  const LaunchShape shape{.grid = {unsigned(count)}, .block = {256}, .shared = sizeof(RowShared)};
  if (((std::uintptr_t(x) % 16 == 0) && ...))
    launch(name, sum_terms_kernel<pack_width<T>, T, F, X...>, shape, n, size, f, sums.data(), x...);
  else
    launch(name, sum_terms_kernel<1, T, F, X...>, shape, n, size, f, sums.data(), x...);
  return sums;
}
template <class T>
void finish_sum(const char* name, const Tensor<float, 1>& sums, double divisor, T* y) {
  launch(name, finish_sum_kernel<T>, {.grid = {1}, .block = {256}, .shared = 32 * sizeof(double)}, sums.data(),
         sums.size(), divisor, y);
}
#endif

}  // namespace quern::inline QUERN_ABI::kernels
