#include <quern/cuda/info_nce.hpp>
#include <quern/cuda/runtime.hpp>

#include "kernels/info_nce.cuh"

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void unit_rows(View<const T, 2> x, double s, View<float, 2> y, View<double, 1> norms) {
  kernels::with_row_walk<4>(x.extent(1), kernels::rows_fit_packs<float>(x.extent(1), x.data, y.data), [&](auto walk) {
    using Walk = decltype(walk);
    kernels::launch("info_nce", kernels::unit_rows<T, Walk>, kernels::walk_launch<Walk>(x.extent(0)), x, float(s), y,
                    norms);
  });
}
template <class T>
void unit_rows_backward(View<const float, 2> dy, View<const float, 2> y, View<const double, 1> norms, double s,
                        View<T, 2> dx) {
  const bool in_packs = kernels::rows_fit_packs<float>(y.extent(1), dy.data, y.data, dx.data);
  kernels::with_row_walk<4>(y.extent(1), in_packs, [&](auto walk) {
    using Walk = decltype(walk);
    kernels::launch("info_nce_backward", kernels::unit_rows_backward<T, Walk>, kernels::walk_launch<Walk>(y.extent(0)),
                    dy, y, norms, float(s), dx);
  });
}
template <class X, class Y>
void scale_rows(View<const X, 2> x, double s, View<Y, 2> y) {
  kernels::with_row_walk<4>(x.extent(1), kernels::rows_fit_packs<float>(x.extent(1), x.data, y.data), [&](auto walk) {
    using Walk = decltype(walk);
    kernels::launch("info_nce", kernels::scale_rows<X, Y, Walk>, kernels::walk_launch<Walk>(x.extent(0)), x, float(s),
                    y);
  });
}
void count_up(View<std::int32_t, 1> ids) {
  kernels::launch("info_nce", kernels::count_up<std::int32_t>,
                  {.grid = {unsigned((ids.size() + 255) / 256)}, .block = {256}}, ids);
}

#define QUERN_INSTANTIATE(T)                                                                                  \
  template void unit_rows(View<const T, 2>, double, View<float, 2>, View<double, 1>);                         \
  template void unit_rows_backward(View<const float, 2>, View<const float, 2>, View<const double, 1>, double, \
                                   View<T, 2>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)
template void scale_rows(View<const float, 2>, double, View<float, 2>);
template void scale_rows(View<const bf16, 2>, double, View<float, 2>);
template void scale_rows(View<const float, 2>, double, View<bf16, 2>);

}  // namespace quern::inline QUERN_ABI::cuda
