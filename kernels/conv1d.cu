#include "kernels/conv1d_launch.cuh"

namespace quern::inline QUERN_ABI::cuda {

using kernels::blocks_of_256;

void window_offsets(View<const std::int64_t, 1> offsets, std::int64_t width, View<std::int64_t, 1> windows) {
  kernels::launch("window_offsets", kernels::window_offsets<std::int64_t>,
                  {.grid = {blocks_of_256(windows.size())}, .block = {256}}, offsets, width, windows);
}

void window_places(View<const std::int64_t, 1> offsets, std::int64_t width, const WindowPlaces& places,
                   bool none_empty) {
  kernels::require_countable("window_places", places.source.size(), 0);
  kernels::launch("window_places", kernels::window_places<std::int32_t>,
                  {.grid = {blocks_of_256(std::max(places.source.size(), offsets.size() - 1))}, .block = {256}},
                  offsets, width, places.source, places.padded, places.text, none_empty ? fault() : nullptr);
}

template <class T>
void taps_of(View<const T, 3> weight, View<T, 2> taps) {
  kernels::launch("taps_of", kernels::taps_of<T>, {.grid = {blocks_of_256(taps.size())}, .block = {256}}, weight, taps);
}

template <class T>
void conv1d(View<const T, 2> x, const WindowPlaces& places, View<const T, 2> taps, const T* bias, Activation activation,
            View<T, 2> y) {
  kernels::require_countable("conv1d", places.source.size(), taps.extent(1));
  const MatmulEpilogue<T> epilogue{
      .bias = bias, .function = activation == Activation::relu ? MatmulFunction::relu : MatmulFunction::none};
  kernels::matmul_launch("conv1d", kernels::windows_of<T, true>(x, places),
                         kernels::MatrixOperand<T, true>{taps.data, taps.extent(1)}, taps.extent(1),
                         kernels::output_of(y, epilogue), {.parts = 1}, kernels::RowMajor{y.extent(1)});
}

template <class T>
void conv1d_backward_x(View<const T, 2> dz, const WindowPlaces& places, View<const T, 2> taps, View<T, 2> dx) {
  const std::int64_t filters = taps.extent(0), columns = dx.extent(1);
  const std::int64_t depth = columns > 0 ? taps.size() / columns : 0;  // width · F
  kernels::require_countable("conv1d_backward_x", places.source.size(), depth);
  kernels::matmul_launch("conv1d_backward_x",
                         kernels::CoveringWindows<T>{dz.data, places.padded.data, kernels::Divisor(filters)},
                         kernels::TapsOperand<T>{taps.data, taps.extent(1), kernels::Divisor(filters), columns}, depth,
                         kernels::output_of<T>(dx, {}), {}, kernels::RowMajor{columns});
}

template <class T>
void conv1d_backward_weight(View<const T, 2> dz, View<const T, 2> x, const WindowPlaces& places, View<T, 3> dweight) {
  const std::int64_t columns = dweight.extent(1), width = dweight.extent(2);
  kernels::require_countable("conv1d_backward_weight", places.source.size(), columns * width);
  const View<T, 2> taps{dweight.data, {dweight.extent(0), columns * width}};
  kernels::matmul_launch("conv1d_backward_weight", kernels::MatrixOperand<T, false>{dz.data, dz.extent(1)},
                         kernels::windows_of<T, false>(x, places), dz.extent(0), kernels::output_of<T>(taps, {}), {},
                         kernels::PlaceOfTap{columns, width});
}

#define QUERN_INSTANTIATE(T)                                                                                       \
  template void taps_of(View<const T, 3>, View<T, 2>);                                                             \
  template void conv1d(View<const T, 2>, const WindowPlaces&, View<const T, 2>, const T*, Activation, View<T, 2>); \
  template void conv1d_backward_x(View<const T, 2>, const WindowPlaces&, View<const T, 2>, View<T, 2>);            \
  template void conv1d_backward_weight(View<const T, 2>, View<const T, 2>, const WindowPlaces&, View<T, 3>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
