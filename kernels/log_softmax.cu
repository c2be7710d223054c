#include "kernels/log_softmax.cuh"

#include <quern/cuda/log_softmax.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void log_softmax(View<const T, 2> x, View<T, 2> y) {
  const std::int64_t n = x.extent(1);
  kernels::with_row_plan<T, 16>(
      n, kernels::rows_fit_packs<T>(n, x.data, y.data),
      [&](auto plan) {
        using Plan = decltype(plan);
        kernels::launch("log_softmax", kernels::log_softmax<T, Plan>, kernels::row_launch<Plan>(x.extent(0), n), x, y);
      },
      [&] { log_softmax_plain(x, y); });
}
template <class T>
void log_softmax_backward(View<const T, 2> dy, View<const T, 2> y, View<T, 2> dx) {
  const std::int64_t n = y.extent(1);
  kernels::with_row_plan<T, 16>(
      n, kernels::rows_fit_packs<T>(n, dy.data, y.data, dx.data),
      [&](auto plan) {
        using Plan = decltype(plan);
        kernels::launch("log_softmax_backward", kernels::log_softmax_backward<T, Plan>,
                        kernels::row_launch<Plan>(y.extent(0), n), dy, y, dx);
      },
      [&] { log_softmax_backward_plain(dy, y, dx); });
}
template <class T>
void log_softmax_plain(View<const T, 2> x, View<T, 2> y) {
  kernels::launch("log_softmax_plain", kernels::log_softmax_plain<T>, kernels::plain_launch(x.extent(0)), x, y);
}
template <class T>
void log_softmax_backward_plain(View<const T, 2> dy, View<const T, 2> y, View<T, 2> dx) {
  kernels::launch("log_softmax_backward_plain", kernels::log_softmax_backward_plain<T>,
                  kernels::plain_launch(y.extent(0)), dy, y, dx);
}

#define QUERN_INSTANTIATE(T)                                                          \
  template void log_softmax(View<const T, 2>, View<T, 2>);                            \
  template void log_softmax_plain(View<const T, 2>, View<T, 2>);                      \
  template void log_softmax_backward(View<const T, 2>, View<const T, 2>, View<T, 2>); \
  template void log_softmax_backward_plain(View<const T, 2>, View<const T, 2>, View<T, 2>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
