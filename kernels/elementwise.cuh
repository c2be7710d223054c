/// The kernel that element-wise ops share: y[i] = f(a[i]), f(a[i], b[i]), … in float, 16 bytes a load.
///
///   struct Relu { __device__ float operator()(float x) const { return x > 0 ? x : x == x ? 0.f : x; } };
///   elementwise<T>("relu", y.data, y.size(), Relu{}, x.data);          // host side: launches
///
/// f is a struct with a __device__ operator() over floats; it may carry numbers, which travel as kernel arguments.
/// Where an array does not begin at a multiple of 16 bytes (a borrowed one, a slice), elements are loaded one by one. y
/// may be one of the inputs.
#pragma once
#include <quern/base/dtype.hpp>

#include "kernels/launch.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// 16 bytes of elements, loaded and stored by one instruction.
template <class T>
struct alignas(16) Vector {
  static constexpr int width = 16 / int(sizeof(T));
  T e[width];
};

template <class T>
__device__ inline Vector<T> load_vector(const T* p) {
  return *reinterpret_cast<const Vector<T>*>(p);
}
template <class T>
__device__ inline void store_vector(T* p, const Vector<T>& v) {
  *reinterpret_cast<Vector<T>*>(p) = v;
}

inline constexpr unsigned element_threads = 256;

/// One vector a thread where `aligned`, the last n % width elements by the threads after those; else one element.
template <class T, class F, class... X>
__global__ void elementwise_kernel(T* y, std::int64_t n, bool aligned, F f, const X*... x) {
  const std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  constexpr int width = Vector<T>::width;
  const std::int64_t vectors = aligned ? n / width : 0;
  if (i < vectors) {
    Vector<T> out;
    [&](const auto&... in) {
      for (int k = 0; k < width; ++k) out.e[k] = T(f(float(in.e[k])...));
    }(load_vector(x + i * width)...);
    store_vector(y + i * width, out);
  } else {
    const std::int64_t at = vectors * width + (i - vectors);
    if (at < n) y[at] = T(f(float(x[at])...));
  }
}

#if !defined(__CUDACC_RTC__)
inline bool starts_at_16_bytes(const auto*... p) { return ((std::uintptr_t(p) % 16 == 0) && ...); }

/// Host side: y[i] = f(x[i]…) for n elements. All arrays are of T.
template <class T, class F, class... X>
void elementwise(const char* name, T* y, std::int64_t n, const F& f, const X*... x) {
  const bool aligned = starts_at_16_bytes(y, x...);
  constexpr std::int64_t width = Vector<T>::width;
  const std::int64_t threads = aligned ? n / width + n % width : n;
  launch(name, elementwise_kernel<T, F, X...>,
         {.grid = {unsigned((threads + element_threads - 1) / element_threads)}, .block = {element_threads}}, y, n,
         aligned, f, x...);
}
#endif

}  // namespace quern::inline QUERN_ABI::kernels
