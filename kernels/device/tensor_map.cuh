/// What TMA is told of a matrix. Made on the host, passed to the kernel as `const __grid_constant__ TensorMap`.
///
///   const TensorMap map = make_tensor_map(x, rows, columns, 64, 64);     // boxes of 64 x 64, 128-byte swizzle
#pragma once
#include <quern/base/dtype.hpp>

#include "kernels/dialect.cuh"

#if !defined(__CUDACC__)
#include "kernels/emulator/pipeline.hpp"
#elif !defined(__CUDACC_RTC__)
#include <cuda.h>
#include <cuda_runtime.h>
#endif
#if !defined(__CUDACC_RTC__)
#include <quern/base/error.hpp>
#endif

namespace quern::inline QUERN_ABI::kernels {

#if defined(__CUDACC_RTC__)
struct alignas(64) TensorMap {
  std::uint64_t opaque[16];
};
#elif defined(__CUDACC__)
using TensorMap = CUtensorMap;
#else
using emulator::TensorMap;
#endif

#if !defined(__CUDACC_RTC__)
/// A row-major matrix, and boxes of box_rows x box_columns of it. With the swizzle, which wgmma and bank conflicts ask
/// for, a box is at most 128 bytes wide and each of its rows takes 128 bytes of shared memory.
template <class T>
TensorMap make_tensor_map(const T* base, std::int64_t rows, std::int64_t columns, int box_rows, int box_columns,
                          bool swizzle = true) {
  const auto box_bytes = std::int64_t(box_columns) * std::int64_t(sizeof(T));
  require(rows > 0 && columns > 0, "make_tensor_map: a matrix of ", rows, " x ", columns, " has no boxes");
  require(reinterpret_cast<std::uintptr_t>(base) % 16 == 0,
          "make_tensor_map: the matrix must begin at a multiple of 16 bytes");
  require(columns * std::int64_t(sizeof(T)) % 16 == 0, "make_tensor_map: a row of ", columns, " elements of ",
          sizeof(T), " bytes is not a multiple of 16 bytes");
  require(box_rows >= 1 && box_rows <= 256 && box_columns >= 1 && box_columns <= 256 && box_bytes % 16 == 0 &&
              (!swizzle || box_bytes <= 128),
          "make_tensor_map: a box of ", box_rows, " x ", box_columns, " elements of ", sizeof(T),
          " bytes: 1 to 256 each way, rows of a ", "multiple of 16 bytes, with the swizzle at most 128");
#if defined(__CUDACC__)
  static_assert(std::is_same_v<T, bf16> || std::is_same_v<T, float>);
  using Encode = decltype(&cuTensorMapEncodeTiled);
  static const Encode encode = [] {
    void* function = nullptr;
    cudaDriverEntryPointQueryResult found{};
    const auto status =
        cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &found);
    check(status == cudaSuccess && found == cudaDriverEntryPointSuccess && function,
          "make_tensor_map: this driver has no cuTensorMapEncodeTiled; it needs CUDA 12");
    return reinterpret_cast<Encode>(function);
  }();
  TensorMap map;
  const cuuint64_t extents[] = {cuuint64_t(columns), cuuint64_t(rows)};
  const cuuint64_t row_bytes[] = {cuuint64_t(columns) * sizeof(T)};
  const cuuint32_t box[] = {cuuint32_t(box_columns), cuuint32_t(box_rows)}, steps[] = {1, 1};
  const CUresult status =
      encode(&map, std::is_same_v<T, bf16> ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 2,
             const_cast<void*>(static_cast<const void*>(base)), extents, row_bytes, box, steps,
             CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle ? CU_TENSOR_MAP_SWIZZLE_128B : CU_TENSOR_MAP_SWIZZLE_NONE,
             CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  check(status == CUDA_SUCCESS, "make_tensor_map: cuTensorMapEncodeTiled failed with ", int(status));
  return map;
#else
  return {.base = reinterpret_cast<char*>(const_cast<T*>(base)),
          .rows = std::uint64_t(rows),
          .columns = std::uint64_t(columns),
          .box_rows = std::uint32_t(box_rows),
          .box_columns = std::uint32_t(box_columns),
          .element_bytes = sizeof(T),
          .swizzle = swizzle};
#endif
}
#endif

}  // namespace quern::inline QUERN_ABI::kernels
