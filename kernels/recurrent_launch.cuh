/// Host side that lstm and gru share.
#pragma once
#include <quern/cuda/recurrent.hpp>
#include <quern/cuda/runtime.hpp>
#include <quern/cuda/transpose.hpp>
#include <quern/tensor/tensor.hpp>

#include "kernels/launch.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// A block for each text, with a thread for each unit up to 1024, and this many floats of shared memory a unit.
inline LaunchShape block_for_each_text(View<const std::int64_t, 1> offsets, std::int64_t units, int floats) {
  const std::int64_t threads = units < 1024 ? (units + 31) / 32 * 32 : 1024;
  return {.grid = {unsigned(offsets.extent(0) - 1)},
          .block = {unsigned(threads > 0 ? threads : 32)},
          .shared = std::size_t(floats) * std::size_t(units > 0 ? units : 1) * sizeof(float)};
}

/// W_hhᵀ
template <class T>
Tensor<T, 2> transposed(View<const T, 2> weight) {
  const std::int64_t rows = weight.extent(0), columns = weight.extent(1);
  auto t = Tensor<T, 2>::empty({columns, rows}, Device::cuda(cuda::current_device()));
  cuda::transpose<T>({weight.data, {1, rows, columns}}, {t.data(), {1, columns, rows}});
  return t;
}

}  // namespace quern::inline QUERN_ABI::kernels
