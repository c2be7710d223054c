/// Host side: the launches that layer_norm and layer_norm_residual share.
#pragma once
#include <quern/cuda/runtime.hpp>
#include <quern/tensor/tensor.hpp>

#include "kernels/layer_norm.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// Blocks of the backward pass, each with its own piece of the weights' gradients: four for each multiprocessor of an
/// H100. More would write more pieces than they save time; fewer leave large GPUs idle.
inline constexpr std::int64_t most_pieces = 528;

template <class T>
Tensor<float, 3> pieces_of(std::int64_t blocks, std::int64_t n) {
  return Tensor<float, 3>::empty({2, blocks, n}, Device::cuda(cuda::current_device()));
}

template <class T>
void launch_sum_pieces(const Tensor<float, 3>& pieces, View<T, 1> dweight, View<T, 1> dbias) {
  const auto tiles = unsigned((dweight.size() + 31) / 32);
  launch("sum_pieces", sum_pieces<T>, {.grid = {2 * tiles}, .block = {512}, .shared = 16 * 33 * sizeof(float)},
         pieces.data(), pieces.extent(1), dweight, dbias);
}

template <class T, class Input>
void launch_layer_norm_plain(const char* name, const Input& x, View<const T, 1> weight, View<const T, 1> bias,
                             double eps, View<T, 2> y, float* mean, float* rstd) {
  launch(name, layer_norm_plain<T, Input>, plain_launch(y.extent(0)), x, weight, bias, float(eps), y, mean, rstd);
}

template <class T, class Input>
void launch_layer_norm(const char* name, const Input& x, bool in_packs, View<const T, 1> weight, View<const T, 1> bias,
                       double eps, View<T, 2> y, float* mean, float* rstd) {
  const std::int64_t n = y.extent(1);
  in_packs = in_packs && rows_fit_packs<T>(n, weight.data, bias.data, y.data);
  with_row_plan<T, 16>(
      n, in_packs,
      [&](auto plan) {
        using Plan = decltype(plan);
        launch(name, layer_norm<T, Plan, Input>, row_launch<Plan>(y.extent(0), n), x, weight, bias, float(eps), y, mean,
               rstd);
      },
      [&] { launch_layer_norm_plain(name, x, weight, bias, eps, y, mean, rstd); });
}

template <class T, class Input, class Output>
void launch_layer_norm_backward_plain(const char* name, View<const T, 2> dy, const Input& x, View<const T, 1> weight,
                                      const float* mean, const float* rstd, const Output& dx, View<T, 1> dweight,
                                      View<T, 1> dbias) {
  const std::int64_t blocks = std::min(dy.extent(0), most_pieces);
  auto pieces = pieces_of<T>(blocks, dy.extent(1));
  launch(name, layer_norm_backward_plain<T, Input, Output>, plain_launch(blocks), dy, x, weight, mean, rstd, dx,
         pieces.data());
  launch_sum_pieces(pieces, dweight, dbias);
}

template <class T, class Input, class Output>
void launch_layer_norm_backward(const char* name, View<const T, 2> dy, const Input& x, bool in_packs,
                                View<const T, 1> weight, const float* mean, const float* rstd, const Output& dx,
                                View<T, 1> dweight, View<T, 1> dbias) {
  const std::int64_t rows = dy.extent(0), n = dy.extent(1);
  in_packs = in_packs && rows_fit_packs<T>(n, dy.data, weight.data);
  with_row_plan<T, 16, 512>(
      n, in_packs,
      [&](auto plan) {
        using Plan = decltype(plan);
        auto shape = row_launch<Plan>(rows, n, sizeof(NormBackwardShared<Plan>));
        shape.grid.x = unsigned(std::min<std::int64_t>(shape.grid.x, most_pieces));
        auto pieces = pieces_of<T>(shape.grid.x, n);
        launch(name, layer_norm_backward<T, Plan, Input, Output>, shape, dy, x, weight, mean, rstd, dx, pieces.data());
        launch_sum_pieces(pieces, dweight, dbias);
      },
      [&] { launch_layer_norm_backward_plain(name, dy, x, weight, mean, rstd, dx, dweight, dbias); });
}

}  // namespace quern::inline QUERN_ABI::kernels
