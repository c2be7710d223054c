#include <quern/cuda/layer_norm.hpp>

#include "kernels/layer_norm_launch.cuh"

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void layer_norm(View<const T, 2> x, View<const T, 1> weight, View<const T, 1> bias, double eps, View<T, 2> y,
                float* mean, float* rstd) {
  kernels::launch_layer_norm("layer_norm", kernels::PlainInput<T>{x}, kernels::rows_fit_packs<T>(x.extent(1), x.data),
                             weight, bias, eps, y, mean, rstd);
}
template <class T>
void layer_norm_backward(View<const T, 2> dy, View<const T, 2> x, View<const T, 1> weight, const float* mean,
                         const float* rstd, View<T, 2> dx, View<T, 1> dweight, View<T, 1> dbias) {
  kernels::launch_layer_norm_backward("layer_norm_backward", dy, kernels::PlainInput<T>{x},
                                      kernels::rows_fit_packs<T>(x.extent(1), x.data, dx.data), weight, mean, rstd,
                                      kernels::PlainOutput<T>{dx}, dweight, dbias);
}

template <class T>
void layer_norm_plain(View<const T, 2> x, View<const T, 1> weight, View<const T, 1> bias, double eps, View<T, 2> y,
                      float* mean, float* rstd) {
  kernels::launch_layer_norm_plain("layer_norm_plain", kernels::PlainInput<T>{x}, weight, bias, eps, y, mean, rstd);
}
template <class T>
void layer_norm_backward_plain(View<const T, 2> dy, View<const T, 2> x, View<const T, 1> weight, const float* mean,
                               const float* rstd, View<T, 2> dx, View<T, 1> dweight, View<T, 1> dbias) {
  kernels::launch_layer_norm_backward_plain("layer_norm_backward_plain", dy, kernels::PlainInput<T>{x}, weight, mean,
                                            rstd, kernels::PlainOutput<T>{dx}, dweight, dbias);
}

#define QUERN_NORM(T) View<const T, 2>, View<const T, 1>, View<const T, 1>, double, View<T, 2>, float*, float*
#define QUERN_NORM_BACKWARD(T) \
  View<const T, 2>, View<const T, 2>, View<const T, 1>, const float*, const float*, View<T, 2>, View<T, 1>, View<T, 1>
#define QUERN_INSTANTIATE(T)                                 \
  template void layer_norm(QUERN_NORM(T));                   \
  template void layer_norm_plain(QUERN_NORM(T));             \
  template void layer_norm_backward(QUERN_NORM_BACKWARD(T)); \
  template void layer_norm_backward_plain(QUERN_NORM_BACKWARD(T));
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
