/// The kernel that element-wise ops share: y[i] = f(a[i]), f(a[i], b[i]), … in float, 16 bytes a load.
///
///   struct Relu { __device__ float operator()(float x) const { return x > 0 ? x : x == x ? 0.f : x; } };
///   elementwise("relu", y.data, y.size(), Relu{}, x.data);             // host side: launches
///
/// f is a struct with a __device__ operator() over floats; it may carry numbers, which travel as kernel arguments. The
/// arrays may be of different types. Where one does not begin at a multiple of 16 bytes (a borrowed one, a slice),
/// elements are loaded one by one. y may be one of the inputs.
#pragma once
#include "kernels/elements.cuh"
#include "kernels/launch.cuh"

namespace quern::inline QUERN_ABI::kernels {

inline constexpr unsigned element_threads = 256;

/// Elements a thread takes at once: 16 bytes of the smallest type.
template <class... T>
constexpr int element_width() {
  int width = 1;
  ((width = pack_width<T> > width ? pack_width<T> : width), ...);
  return width;
}

template <int width, class F, class... E>
__device__ __forceinline__ void apply_to_elements(float (&out)[width], const F& f, const E&... in) {
  for (int i = 0; i < width; ++i) out[i] = f(in[i]...);
}

/// One-dimensional grid and block. A block takes a piece of 2 · blockDim.x · width neighbouring elements; each thread
/// `width` of the first half and `width` of the second, so that all loads of a warp are neighbours. Only the last block
/// asks where the array ends: in the others no branch stands between the loads, and both are under way before the first
/// result is computed. The last elements, fewer than `width`, go to a thread each.
template <int width, class Y, class F, class... X>
__global__ void __launch_bounds__(element_threads) elementwise_kernel(Y* y, std::int64_t n, F f, const X*... x) {
  const int half = int(blockDim.x) * width, mine = int(threadIdx.x) * width;
  const std::int64_t piece = std::int64_t(blockIdx.x) * (2 * half);
  if (piece + 2 * half <= n) {
    float first[width], second[width];
    apply_to_elements(first, f, load_elements<width>(x + piece + mine)...);
    apply_to_elements(second, f, load_elements<width>(x + piece + half + mine)...);
    store_elements(y + piece + mine, first);
    store_elements(y + piece + half + mine, second);
    return;
  }
  for (std::int64_t i = piece + mine; i < piece + 2 * half; i += half)
    if (i + width <= n) {
      float out[width];
      apply_to_elements(out, f, load_elements<width>(x + i)...);
      store_elements(y + i, out);
    }
  const std::int64_t i = n - n % width + threadIdx.x;  // n lies in this block's piece
  if (width > 1 && i < n) {
    float out[1];
    apply_to_elements(out, f, load_elements<1>(x + i)...);
    store_elements(y + i, out);
  }
}

#if !defined(__CUDACC_RTC__)
/// Threads of a block for so many pieces of work: no more warps than there is work for.
inline unsigned element_block(std::int64_t pieces) {
  return pieces >= element_threads ? element_threads : unsigned((pieces + 31) / 32 * 32);
}

namespace detail {
template <int width, class Y, class F, class... X>
void launch_elementwise(const char* name, Y* y, std::int64_t n, const F& f, const X*... x) {
  const std::int64_t pieces = (n + 2 * width - 1) / (2 * width);
  const unsigned block = element_block(pieces);
  if (n > 0)
    launch(name, elementwise_kernel<width, Y, F, X...>,
           {.grid = {unsigned((pieces + block - 1) / block)}, .block = {block}}, y, n, f, x...);
}
}  // namespace detail

/// Host side: y[i] = f(x[i]…) for n elements.
template <class Y, class F, class... X>
void elementwise(const char* name, Y* y, std::int64_t n, const F& f, const X*... x) {
  if (starts_at_16_bytes(y, x...)) return detail::launch_elementwise<element_width<Y, X...>()>(name, y, n, f, x...);
  detail::launch_elementwise<1>(name, y, n, f, x...);
}
#endif

}  // namespace quern::inline QUERN_ABI::kernels
