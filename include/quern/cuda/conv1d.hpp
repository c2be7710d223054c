/// Launchers of conv1d; the kernels stand in kernels/conv1d.cuh. For float and bf16.
///
///   cuda::window_places(offsets, width, places, false);
///   cuda::taps_of(weight, taps);
///   cuda::conv1d(x, places, taps, bias, activation, y);            // y [N + B(width-1), F]
///
/// Texts are not copied to have zeros around them, as on the CPU. What stands where in such a copy is listed instead: a
/// padded row is a row of x, or zeros.
#pragma once
#include <quern/base/activation.hpp>
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

/// Where the windows of packed texts find their rows. Window r covers the padded rows r … r + width-1.
struct WindowPlaces {
  View<std::int32_t, 1> source;  // of each padded row: the row of x, or -1: zeros
  View<std::int32_t, 1> padded;  // of each row of x: its padded row
  View<std::int32_t, 1> text;    // of each window
};

/// offsets [B+1] of texts → those of their windows.
void window_offsets(View<const std::int64_t, 1> offsets, std::int64_t width, View<std::int64_t, 1> windows);
/// Where `none_empty`, a text without rows is a fault.
void window_places(View<const std::int64_t, 1> offsets, std::int64_t width, const WindowPlaces& places,
                   bool none_empty);

/// weight [F, E, width] → taps [F, width·E]
template <class T>
void taps_of(View<const T, 3> weight, View<T, 2> taps);

/// x [N, E], taps [F, width·E], bias [F] or null → y [windows, F]. K is never cut: a window's bits are its own.
template <class T>
void conv1d(View<const T, 2> x, const WindowPlaces& places, View<const T, 2> taps, const T* bias, Activation activation,
            View<T, 2> y);
/// dz [windows, F] → dx [N, E]
template <class T>
void conv1d_backward_x(View<const T, 2> dz, const WindowPlaces& places, View<const T, 2> taps, View<T, 2> dx);
/// dz [windows, F], x [N, E] → dweight [F, E, width]
template <class T>
void conv1d_backward_weight(View<const T, 2> dz, View<const T, 2> x, const WindowPlaces& places, View<T, 3> dweight);

}  // namespace quern::inline QUERN_ABI::cuda
