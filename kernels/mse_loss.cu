#include <quern/cuda/mse_loss.hpp>
#include <quern/cuda/runtime.hpp>
#include <quern/tensor/tensor.hpp>

#include "kernels/mse_loss.cuh"

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void mse_loss(View<const T, 2> predictions, View<const T, 2> targets, T* loss) {
  const std::int64_t n = predictions.size();
  const auto sums = kernels::sum_terms<T>("mse_loss", n, kernels::SquaredDifference{}, predictions.data, targets.data);
  kernels::finish_sum("mse_loss", sums, double(n), loss);
}
template <class T>
void mse_loss_backward(const T* dloss, View<const T, 2> predictions, View<const T, 2> targets,
                       View<T, 2> dpredictions) {
  const std::int64_t n = predictions.size();
  kernels::elementwise("mse_loss_backward", dpredictions.data, n,
                       kernels::MseLossBackward<T>{dloss, float(2 / double(n))}, predictions.data, targets.data);
}

#define QUERN_INSTANTIATE(T)                                      \
  template void mse_loss(View<const T, 2>, View<const T, 2>, T*); \
  template void mse_loss_backward(const T*, View<const T, 2>, View<const T, 2>, View<T, 2>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
