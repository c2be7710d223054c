#include "kernels/softmax.cuh"

#include <quern/cuda/softmax.hpp>

#include "kernels/vendor/vendor.hpp"

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void softmax(View<const T, 2> x, View<T, 2> y) {
  if (vendor::softmax(x, y)) return;
  const std::int64_t n = x.extent(1);
  kernels::with_row_plan<T>(
      n, kernels::rows_fit_packs<T>(n, x.data, y.data),
      [&](auto plan) {
        using Plan = decltype(plan);
        kernels::launch("softmax", kernels::softmax<T, Plan>, kernels::row_launch<Plan>(x.extent(0), n), x, y);
      },
      [&] { softmax_plain(x, y); });
}
template <class T>
void softmax_backward(View<const T, 2> dy, View<const T, 2> y, View<T, 2> dx) {
  const std::int64_t n = y.extent(1);
  kernels::with_row_plan<T, 16>(
      n, kernels::rows_fit_packs<T>(n, dy.data, y.data, dx.data),
      [&](auto plan) {
        using Plan = decltype(plan);
        kernels::launch("softmax_backward", kernels::softmax_backward<T, Plan>,
                        kernels::row_launch<Plan>(y.extent(0), n), dy, y, dx);
      },
      [&] { softmax_backward_plain(dy, y, dx); });
}
template <class T>
void softmax_plain(View<const T, 2> x, View<T, 2> y) {
  kernels::launch("softmax_plain", kernels::softmax_plain<T>, kernels::plain_launch(x.extent(0)), x, y);
}
template <class T>
void softmax_backward_plain(View<const T, 2> dy, View<const T, 2> y, View<T, 2> dx) {
  kernels::launch("softmax_backward_plain", kernels::softmax_backward_plain<T>, kernels::plain_launch(y.extent(0)), dy,
                  y, dx);
}

#define QUERN_INSTANTIATE(T)                                                      \
  template void softmax(View<const T, 2>, View<T, 2>);                            \
  template void softmax_plain(View<const T, 2>, View<T, 2>);                      \
  template void softmax_backward(View<const T, 2>, View<const T, 2>, View<T, 2>); \
  template void softmax_backward_plain(View<const T, 2>, View<const T, 2>, View<T, 2>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
