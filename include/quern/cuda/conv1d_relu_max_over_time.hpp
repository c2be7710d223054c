/// Launchers of conv1d_relu_max_over_time; the kernels stand in kernels/conv1d_relu_max_over_time.cuh. For float and
/// bf16. A window counts from the beginning of its text.
#pragma once
#include <quern/cuda/conv1d.hpp>

namespace quern::inline QUERN_ABI::cuda {

/// The texts of a batch: their rows x [N, E], offsets [B+1], and where windows find their rows.
template <class T>
struct WindowedTexts {
  View<const T, 2> x;
  View<const std::int64_t, 1> offsets;
  WindowPlaces places;
  std::int64_t width;
};

/// With `simple` by kernels of one thread a result, for tests and reading: `where` and, of float, `y` are the same.
enum class ConvMaxKernels : int { fused, simple };

/// taps [F, width·E], bias [F] or null → y [B, F], where [B, F]: the first window that has the maximum
template <class T>
void conv1d_relu_max_over_time(const WindowedTexts<T>& texts, View<const T, 2> taps, const T* bias, View<T, 2> y,
                               View<std::int32_t, 2> where, ConvMaxKernels kernels = ConvMaxKernels::fused);
/// dz [B, F] → dx [N, E]; filters are added in order
template <class T>
void conv_max_backward_x(View<const T, 2> dz, const WindowedTexts<T>& texts, View<const T, 2> taps,
                         View<const std::int32_t, 2> where, View<T, 2> dx,
                         ConvMaxKernels kernels = ConvMaxKernels::fused);
/// dz [B, F] → dweight [F, E, width]; texts are added in order, in at most 16 parts
template <class T>
void conv_max_backward_weight(View<const T, 2> dz, const WindowedTexts<T>& texts, View<const std::int32_t, 2> where,
                              View<T, 3> dweight, ConvMaxKernels kernels = ConvMaxKernels::fused);

}  // namespace quern::inline QUERN_ABI::cuda
