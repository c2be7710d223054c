#include <quern/cuda/gelu.hpp>
#include <quern/cuda/runtime.hpp>
#include <quern/tensor/tensor.hpp>

#include "kernels/gelu.cuh"

namespace quern::inline QUERN_ABI::cuda {
namespace {

/// Both stages over vectors of `width` columns. The slices are as many as give about 512 blocks, which a large GPU
/// holds at once, but no thread gets fewer than four rows: then there is less to add up than to launch.
template <int width, class T, class F>
void run_backward_bias(const char* name, View<const T, 2> dy, View<const T, 2> x, View<T, 2> dx, View<T, 1> dbias,
                       const F& f) {
  using namespace kernels;
  if (dx.extent(1) == 0) return;
  BiasGrid g{.rows = dx.extent(0), .columns = dx.extent(1), .rows_a_slice = 1, .lanes = 1};
  while (g.lanes < 32 && g.lanes * width < g.columns) g.lanes *= 2;
  const std::int64_t across = (g.columns + g.lanes * width - 1) / (g.lanes * width), least = 4 * bias_threads / g.lanes;
  const std::int64_t wanted = across < 512 ? 512 / across : 1;
  g.rows_a_slice = (g.rows + wanted - 1) / wanted;
  if (g.rows_a_slice < least) g.rows_a_slice = least;
  const std::int64_t slices = (g.rows + g.rows_a_slice - 1) / g.rows_a_slice;
  auto partial = Tensor<float, 2>::empty({slices, g.columns}, Device::cuda(current_device()));
  launch(name, kernels::backward_bias<width, T, F>,
         {.grid = {unsigned(across), unsigned(slices)}, .block = {bias_threads}, .shared = sizeof(BiasShared<width>)},
         dy.data, x.data, dx.data, g, f, partial.data());
  launch("sum_slices", sum_slices<T>,
         {.grid = {unsigned((g.columns + 31) / 32)}, .block = {256}, .shared = sizeof(PartialSumShared)},
         static_cast<const float*>(partial.data()), dbias.data, slices, g.columns);
}

/// Rows are read in vectors where every one of them begins at a multiple of 16 bytes.
template <class T, class F>
void run_backward_bias(const char* name, View<const T, 2> dy, View<const T, 2> x, View<T, 2> dx, View<T, 1> dbias,
                       const F& f) {
  constexpr int width = kernels::pack_width<T>;
  if (kernels::starts_at_16_bytes(dy.data, x.data, dx.data) && dx.extent(1) % width == 0)
    return run_backward_bias<width>(name, dy, x, dx, dbias, f);
  run_backward_bias<1>(name, dy, x, dx, dbias, f);
}

template <class T, class F>
void run_slow(View<const T, 2> dy, View<const T, 2> x, View<T, 2> dx, View<T, 1> dbias, const F& f) {
  kernels::launch("gelu_backward_bias_slow", kernels::backward_bias_slow<T, F>,
                  {.grid = {unsigned((dx.extent(1) + 127) / 128)}, .block = {128}}, dy, x, dx, dbias, f);
}

}  // namespace

template <class T>
void gelu_erf(View<const T, 2> x, View<T, 2> y) {
  kernels::elementwise("gelu_erf", y.data, y.size(), kernels::GeluErf<T>{}, x.data);
}
template <class T>
void gelu_erf_backward(View<const T, 2> dy, View<const T, 2> x, View<T, 2> dx) {
  kernels::elementwise("gelu_erf_backward", dx.data, dx.size(), kernels::GeluErfBackward<T>{}, dy.data, x.data);
}
template <class T>
void gelu_erf_backward_bias(View<const T, 2> dy, View<const T, 2> x, View<T, 2> dx, View<T, 1> dbias) {
  run_backward_bias("gelu_erf_backward_bias", dy, x, dx, dbias, kernels::GeluErfBackward<T>{});
}
template <class T>
void gelu_erf_backward_bias_slow(View<const T, 2> dy, View<const T, 2> x, View<T, 2> dx, View<T, 1> dbias) {
  run_slow(dy, x, dx, dbias, kernels::GeluErfBackward<T>{});
}

template <class T>
void gelu_tanh(View<const T, 2> x, View<T, 2> y) {
  kernels::elementwise("gelu_tanh", y.data, y.size(), kernels::GeluTanh<T>{}, x.data);
}
template <class T>
void gelu_tanh_backward(View<const T, 2> dy, View<const T, 2> x, View<T, 2> dx) {
  kernels::elementwise("gelu_tanh_backward", dx.data, dx.size(), kernels::GeluTanhBackward<T>{}, dy.data, x.data);
}
template <class T>
void gelu_tanh_backward_bias(View<const T, 2> dy, View<const T, 2> x, View<T, 2> dx, View<T, 1> dbias) {
  run_backward_bias("gelu_tanh_backward_bias", dy, x, dx, dbias, kernels::GeluTanhBackward<T>{});
}
template <class T>
void gelu_tanh_backward_bias_slow(View<const T, 2> dy, View<const T, 2> x, View<T, 2> dx, View<T, 1> dbias) {
  run_slow(dy, x, dx, dbias, kernels::GeluTanhBackward<T>{});
}

#define QUERN_INSTANTIATE(T)                                                                             \
  template void gelu_erf(View<const T, 2>, View<T, 2>);                                                  \
  template void gelu_erf_backward(View<const T, 2>, View<const T, 2>, View<T, 2>);                       \
  template void gelu_erf_backward_bias(View<const T, 2>, View<const T, 2>, View<T, 2>, View<T, 1>);      \
  template void gelu_erf_backward_bias_slow(View<const T, 2>, View<const T, 2>, View<T, 2>, View<T, 1>); \
  template void gelu_tanh(View<const T, 2>, View<T, 2>);                                                 \
  template void gelu_tanh_backward(View<const T, 2>, View<const T, 2>, View<T, 2>);                      \
  template void gelu_tanh_backward_bias(View<const T, 2>, View<const T, 2>, View<T, 2>, View<T, 1>);     \
  template void gelu_tanh_backward_bias_slow(View<const T, 2>, View<const T, 2>, View<T, 2>, View<T, 1>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
