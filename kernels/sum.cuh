/// Kernels of sum and mean over the middle axis of [outer, n, inner], and over everything (kernels/reduce.cuh). Where
/// there are too few results to fill a GPU, n is cut into pieces whose sums are added up by a second launch.
#pragma once
#include "kernels/reduce.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// Every element as it is.
struct Itself {
  __device__ __forceinline__ float operator()(std::int64_t, float x) const { return x; }
};
/// One number everywhere.
template <class T>
struct Constant {
  const T* value;
  float factor;
  __device__ __forceinline__ float operator()() const { return float(*value) * factor; }
};

/// inner = 1. Grid and block: walk_launch, a team for each piece of each row of x [outer, n]:
/// y[o, p] = Σ of piece p / divisor.
template <class X, class Y, class Walk>
__global__ void __launch_bounds__(Walk::most_threads)
    sum_rows(View<const X, 2> x, std::int64_t pieces, std::int64_t piece, float divisor, Y* y) {
  const typename Walk::Team team(shared_memory<RowShared>().partial);
  const std::int64_t at = team.index(), n = x.extent(1);
  if (at >= x.extent(0) * pieces) return;
  const std::int64_t begin = at % pieces * piece, length = begin + piece < n ? piece : n - begin;
  const X* row = x.row(at / pieces) + begin;
  float sum = 0;
  for_each_pack_of<Walk>(team, length, [&](std::int64_t c) {
    float v[Walk::width];
    load_floats<Walk::width>(row + c, v);
    for (float e : v) sum += e;
  });
  sum = team.sum(sum);
  if (team.rank() == 0) y[at] = Y(sum / divisor);
}

/// Shared memory of sums over columns: what each of the block's 8 warps found.
template <int W>
struct ColumnShared {
  float sums[8][warp_size * W];
};

/// inner > 1. Grid: outer · pieces · tiles blocks of 8 warps; a tile is 32 · W columns. Lane l has W neighbouring
/// columns, and warp w the rows w, w + 8, … of the block's piece; then a thread for each column adds the warps in
/// order. y[o, p, i] = Σ of piece p / divisor.
template <class X, class Y, int W>
__global__ void __launch_bounds__(256)
    sum_columns(View<const X, 3> x, std::int64_t pieces, std::int64_t piece, float divisor, Y* y) {
  auto& s = shared_memory<ColumnShared<W>>();
  const std::int64_t n = x.extent(1), inner = x.extent(2), tiles = (inner + warp_size * W - 1) / (warp_size * W);
  const std::int64_t first = blockIdx.x % tiles * (warp_size * W), at = blockIdx.x / tiles;  // at: of [outer, pieces]
  const std::int64_t begin = at % pieces * piece, end = begin + piece < n ? begin + piece : n;
  const std::int64_t column = first + lane_of_thread() * W;
  float sum[W] = {};
  if (column < inner) {
    const X* p = x.data + at / pieces * n * inner + column;
    for (std::int64_t r = begin + warp_of_thread(); r < end; r += 8) {
      float v[W];
      load_floats<W>(p + r * inner, v);
      for (int j = 0; j < W; ++j) sum[j] += v[j];
    }
  }
  for (int j = 0; j < W; ++j) s.sums[warp_of_thread()][lane_of_thread() * W + j] = sum[j];
  __syncthreads();
  const int c = int(threadIdx.x);
  if (c >= warp_size * W || first + c >= inner) return;
  float total = s.sums[0][c];
  for (int w = 1; w < 8; ++w) total += s.sums[w][c];
  y[at * inner + first + c] = Y(total / divisor);
}

/// Grid and block: walk_launch, a team for each row of dx [outer, n]: dx(o, :) = dy[o] · factor.
template <class T, class Walk>
__global__ void __launch_bounds__(Walk::most_threads) fill_rows(const T* dy, View<T, 2> dx, float factor) {
  const typename Walk::Team team(shared_memory<RowShared>().partial);
  const std::int64_t r = team.index();
  if (r >= dx.extent(0)) return;
  float v[Walk::width];
  for (float& e : v) e = float(dy[r]) * factor;
  for_each_pack_of<Walk>(team, dx.extent(1), [&](std::int64_t c) { store_floats<Walk::width>(dx.row(r) + c, v); });
}

/// Grid and block: walk_launch, a team for each row of dx [outer · n, inner]: row r is row r / n of dy, · factor.
template <class T, class Walk>
__global__ void __launch_bounds__(Walk::most_threads)
    repeat_rows(View<const T, 2> dy, std::int64_t n, View<T, 2> dx, float factor) {
  const typename Walk::Team team(shared_memory<RowShared>().partial);
  const std::int64_t r = team.index();
  if (r >= dx.extent(0)) return;
  for_each_pack_of<Walk>(team, dx.extent(1), [&](std::int64_t c) {
    float v[Walk::width];
    load_floats<Walk::width>(dy.row(r / n) + c, v);
    for (float& e : v) e *= factor;
    store_floats<Walk::width>(dx.row(r) + c, v);
  });
}

}  // namespace quern::inline QUERN_ABI::kernels
