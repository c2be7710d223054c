/// Sums over rows, column by column: bias gradients, and whatever else ends in one number a column. In two passes whose
/// order depends on the extents alone, so the bits are the same every time.
///
///   column_sum("sum_rows", RowsOf<T>{x, columns}, width, rows, columns, sums);        // sums[c] = Σ_r x(r, c)
///
/// What is summed is a struct with `template <int width> __device__ void operator()(row, column, float (&out)[width])
/// const`: `width` neighbours of a row, each of which is asked for once. So it may also store what it computes: the
/// backward of gelu writes dx there and hands it on to the bias gradient.
#pragma once
#include <quern/base/dtype.hpp>
#if !defined(__CUDACC_RTC__)
#include <algorithm>

#include <quern/cuda/runtime.hpp>
#include <quern/tensor/pool.hpp>
#endif

#include "kernels/device/memory.cuh"
#include "kernels/launch.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// The elements of a matrix as they are.
template <class T>
struct RowsOf {
  const T* x;
  std::int64_t columns;
  template <int width>
  __device__ __forceinline__ void operator()(std::int64_t row, std::int64_t column, float (&out)[width]) const {
    const auto pack = load_pack<width>(x + row * columns + column);
    for (int e = 0; e < width; ++e) out[e] = float(pack[e]);
  }
};

inline constexpr int column_sum_warps = 8;

template <int width>
struct ColumnSumShared {
  alignas(16) float partial[column_sum_warps][32 * width];
};

/// Grid: (columns / (32 · width), parts of the rows); block: 8 warps. A warp takes every eighth row of its part, a lane
/// `width` columns of it; then the warps' sums are added in their order. With one part the result is whole and goes to
/// `sums`, else to `parts` [parts, columns].
template <int width, class T, class F>
__global__ void __launch_bounds__(32 * column_sum_warps)
    column_sum_of_parts(F f, std::int64_t rows, std::int64_t columns, std::int64_t rows_of_part, float* parts,
                        T* sums) {
  auto& s = shared_memory<ColumnSumShared<width>>();
  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
  const std::int64_t first_column = std::int64_t(blockIdx.x) * 32 * width, column = first_column + lane * width;
  const std::int64_t first = blockIdx.y * rows_of_part, end = first + rows_of_part < rows ? first + rows_of_part : rows;
  float mine[width] = {};
  if (column < columns)
    for (std::int64_t row = first + warp; row < end; row += column_sum_warps) {
      float x[width];
      f(row, column, x);
      for (int e = 0; e < width; ++e) mine[e] += x[e];
    }
  for (int e = 0; e < width; ++e) s.partial[warp][lane * width + e] = mine[e];
  __syncthreads();
  for (int c = int(threadIdx.x); c < 32 * width; c += 32 * column_sum_warps) {
    if (first_column + c >= columns) return;
    float sum = 0;
    for (int w = 0; w < column_sum_warps; ++w) sum += s.partial[w][c];
    if (parts) {
      parts[blockIdx.y * columns + first_column + c] = sum;
    } else {
      sums[first_column + c] = T(sum);
    }
  }
}

/// Grid: columns / 32 blocks of 8 warps; a lane has a column, a warp every eighth part of it, added in order; then the
/// warps' sums, in theirs.
template <class T>
__global__ void __launch_bounds__(32 * column_sum_warps)
    column_sum_of_sums(const float* parts, int count, std::int64_t columns, T* sums) {
  auto& s = shared_memory<ColumnSumShared<1>>();
  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
  const std::int64_t column = std::int64_t(blockIdx.x) * 32 + lane;
  float sum = 0;
  if (column < columns)
    for (int p = warp; p < count; p += column_sum_warps) sum += parts[p * columns + column];
  s.partial[warp][lane] = sum;
  __syncthreads();
  if (warp != 0 || column >= columns) return;
  float all = 0;
  for (int w = 0; w < column_sum_warps; ++w) all += s.partial[w][lane];
  sums[column] = T(all);
}

#if !defined(__CUDACC_RTC__)
/// The widest pack that rows of `columns` elements which begin at `x` can be read in: 16 bytes, or one element.
template <class T>
int widest_pack_of_columns(const T* x, std::int64_t columns) {
  return reinterpret_cast<std::uintptr_t>(x) % 16 == 0 && columns % pack_width<T> == 0 ? pack_width<T> : 1;
}

/// Host side. `width` is pack_width<T> or 1. No rows give zeros.
template <class T, class F>
void column_sum(const char* name, const F& f, int width, std::int64_t rows, std::int64_t columns, T* sums) {
  const std::int64_t rows_of_part = std::max<std::int64_t>(64, (rows + 255) / 256);
  const std::int64_t count = std::max<std::int64_t>(1, (rows + rows_of_part - 1) / rows_of_part);
  Storage parts;
  float* to = nullptr;
  if (count > 1) {
    parts = Storage(std::size_t(count * columns) * sizeof(float), Device::cuda(cuda::current_device()));
    to = static_cast<float*>(parts.data());
  }
  const auto run = [&]<int w>() {
    launch(name, column_sum_of_parts<w, T, F>,
           {.grid = {unsigned((columns + 32 * w - 1) / (32 * w)), unsigned(count)},
            .block = {32 * column_sum_warps},
            .shared = sizeof(ColumnSumShared<w>)},
           f, rows, columns, rows_of_part, to, sums);
  };
  if (width == 1) {
    run.template operator()<1>();
  } else {
    run.template operator()<pack_width<T>>();
  }
  if (count > 1)
    launch("column_sum_of_sums", column_sum_of_sums<T>,
           {.grid = {unsigned((columns + 31) / 32)},
            .block = {32 * column_sum_warps},
            .shared = sizeof(ColumnSumShared<1>)},
           static_cast<const float*>(to), int(count), columns, sums);
}
#endif

}  // namespace quern::inline QUERN_ABI::kernels
