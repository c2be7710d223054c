#include <quern/cuda/layer_norm_residual.hpp>

#include "kernels/layer_norm_launch.cuh"
#include "kernels/layer_norm_residual.cuh"

namespace quern::inline QUERN_ABI::cuda {

namespace {
kernels::ResidualDropout dropout_of(double p, const RandomStream& stream) {
  return {stream, std::uint32_t(p * 0x1p32), float(1 / (1 - p)), p > 0};
}
}  // namespace

template <class T>
void layer_norm_residual(View<const T, 2> x, View<const T, 2> residual, double p, RandomStream stream,
                         View<const T, 1> weight, View<const T, 1> bias, double eps, View<T, 2> y, float* mean,
                         float* rstd) {
  kernels::launch_layer_norm("layer_norm_residual", kernels::ResidualInput<T>{x, residual, dropout_of(p, stream)},
                             kernels::rows_fit_packs<T>(x.extent(1), x.data, residual.data), weight, bias, eps, y, mean,
                             rstd);
}
template <class T>
void layer_norm_residual_backward(View<const T, 2> dy, View<const T, 2> x, View<const T, 2> residual, double p,
                                  RandomStream stream, View<const T, 1> weight, const float* mean, const float* rstd,
                                  View<T, 2> dx, View<T, 2> dresidual, View<T, 1> dweight, View<T, 1> dbias) {
  const auto dropout = dropout_of(p, stream);
  kernels::launch_layer_norm_backward(
      "layer_norm_residual_backward", dy, kernels::ResidualInput<T>{x, residual, dropout},
      kernels::rows_fit_packs<T>(x.extent(1), x.data, residual.data, dx.data, dresidual.data), weight, mean, rstd,
      kernels::ResidualOutput<T>{dx, dresidual, dropout}, dweight, dbias);
}

template <class T>
void layer_norm_residual_plain(View<const T, 2> x, View<const T, 2> residual, double p, RandomStream stream,
                               View<const T, 1> weight, View<const T, 1> bias, double eps, View<T, 2> y, float* mean,
                               float* rstd) {
  kernels::launch_layer_norm_plain("layer_norm_residual_plain",
                                   kernels::ResidualInput<T>{x, residual, dropout_of(p, stream)}, weight, bias, eps, y,
                                   mean, rstd);
}
template <class T>
void layer_norm_residual_backward_plain(View<const T, 2> dy, View<const T, 2> x, View<const T, 2> residual, double p,
                                        RandomStream stream, View<const T, 1> weight, const float* mean,
                                        const float* rstd, View<T, 2> dx, View<T, 2> dresidual, View<T, 1> dweight,
                                        View<T, 1> dbias) {
  const auto dropout = dropout_of(p, stream);
  kernels::launch_layer_norm_backward_plain("layer_norm_residual_backward_plain", dy,
                                            kernels::ResidualInput<T>{x, residual, dropout}, weight, mean, rstd,
                                            kernels::ResidualOutput<T>{dx, dresidual, dropout}, dweight, dbias);
}

#define QUERN_RESIDUAL_NORM(T)                                                                                      \
  View<const T, 2>, View<const T, 2>, double, RandomStream, View<const T, 1>, View<const T, 1>, double, View<T, 2>, \
      float*, float*
#define QUERN_RESIDUAL_NORM_BACKWARD(T)                                                                       \
  View<const T, 2>, View<const T, 2>, View<const T, 2>, double, RandomStream, View<const T, 1>, const float*, \
      const float*, View<T, 2>, View<T, 2>, View<T, 1>, View<T, 1>
#define QUERN_INSTANTIATE(T)                                                   \
  template void layer_norm_residual(QUERN_RESIDUAL_NORM(T));                   \
  template void layer_norm_residual_plain(QUERN_RESIDUAL_NORM(T));             \
  template void layer_norm_residual_backward(QUERN_RESIDUAL_NORM_BACKWARD(T)); \
  template void layer_norm_residual_backward_plain(QUERN_RESIDUAL_NORM_BACKWARD(T));
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
