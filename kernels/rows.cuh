/// Rows of a matrix in registers: what kernels share that use a row several times and read it from memory once.
///
///   const typename Plan::Team team(s.partial);        // a warp or a block, to which a row belongs
///   float v[Plan::elements];                          // this thread's part of it
///   load_row<Plan>(team, x.row(r), n, v, 0);          // 0 in the places beyond n
///   const float sum = team.sum(sum_of(v));            // the whole row's, in every thread
///
/// A row goes to a warp up to 1024 elements, to a block above. Thread t of a team of s threads holds the packs t, t +
/// s, t + 2s, … of it, so that neighbours load neighbours. A pack is 16 bytes, or a single element where rows do not
/// all begin at multiples of 16 bytes. Rows that do not fit into a block's registers are for each op's plain kernel.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

#include "kernels/device/block.cuh"
#include "kernels/elements.cuh"
#include "kernels/launch.cuh"

namespace quern::inline QUERN_ABI::kernels {

inline constexpr float infinity = __builtin_bit_cast(float, 0x7f800000u);

/// Shared memory of kernels in which teams only add up: one number a warp.
struct RowShared {
  float partial[32];
};

/// A warp has a row of its own.
struct WarpTeam {
  __device__ __forceinline__ explicit WarpTeam(float*) {}
  __device__ __forceinline__ int size() const { return warp_size; }
  __device__ __forceinline__ int rank() const { return lane_of_thread(); }
  /// The team's number in the grid, and how many there are.
  __device__ __forceinline__ std::int64_t index() const {
    return std::int64_t(blockIdx.x) * (blockDim.x / warp_size) + warp_of_thread();
  }
  __device__ __forceinline__ std::int64_t count() const { return std::int64_t(gridDim.x) * (blockDim.x / warp_size); }
  /// All threads of the team call; valid in every one.
  __device__ __forceinline__ float sum(float x QUERN_CALLER) const { return warp_sum(x QUERN_PASS_CALLER); }
  __device__ __forceinline__ float max(float x QUERN_CALLER) const { return warp_max(x QUERN_PASS_CALLER); }
};

/// The block has one row.
struct BlockTeam {
  __device__ __forceinline__ explicit BlockTeam(float* partial) : partial_(partial) {}
  __device__ __forceinline__ int size() const { return int(blockDim.x); }
  __device__ __forceinline__ int rank() const { return int(threadIdx.x); }
  __device__ __forceinline__ std::int64_t index() const { return blockIdx.x; }
  __device__ __forceinline__ std::int64_t count() const { return gridDim.x; }
  /// All threads of the block call; valid in every one.
  __device__ __forceinline__ float sum(float x QUERN_CALLER) const { return block_sum(x, partial_ QUERN_PASS_CALLER); }
  __device__ __forceinline__ float max(float x QUERN_CALLER) const { return block_max(x, partial_ QUERN_PASS_CALLER); }

 private:
  float* partial_;  // shared memory, a number for each warp
};

/// How rows are held: a thread has `packs` packs of `width` elements.
template <int Width, int Packs, class TeamOfPlan, int MostThreads>
struct RowPlan {
  using Team = TeamOfPlan;
  static constexpr int width = Width, packs = Packs, elements = Width * Packs, most_threads = MostThreads;
};

/// W elements as floats. `p` stands at a multiple of W elements' bytes, or of 16.
template <int W, class T>
__device__ __forceinline__ void load_floats(const T* p, float* v) {
  const auto x = load_elements<W>(p);
  for (int i = 0; i < W; ++i) v[i] = x[i];
}
template <int W, class T>
__device__ __forceinline__ void store_floats(T* p, const float* v) {
  float out[W];
  for (int i = 0; i < W; ++i) out[i] = v[i];
  store_elements(p, out);
}

/// f(0) … f(n - 1), written out: registers can be indexed by constants alone, and compilers leave long loops as loops.
template <int n, class F>
__device__ __forceinline__ void unrolled(F& f) {
  if constexpr (n > 0) {
    unrolled<n - 1>(f);
    f(n - 1);
  }
}
/// f(i, c) for each of the thread's packs within the row: its first register and its first column.
template <class Plan, class F>
__device__ __forceinline__ void for_each_pack(const typename Plan::Team& team, int n, F f) {
  auto pack = [&](int k) {
    const int c = (k * team.size() + team.rank()) * Plan::width;
    if (c < n) f(k * Plan::width, c);
  };
  unrolled<Plan::packs>(pack);
}
/// f(i, c) for each of the thread's elements within the row.
template <class Plan, class F>
__device__ __forceinline__ void for_each_column(const typename Plan::Team& team, int n, F f) {
  for_each_pack<Plan>(team, n, [&](int i, int c) {
    for (int j = 0; j < Plan::width; ++j) f(i + j, c + j);
  });
}

template <class Plan, class T>
__device__ __forceinline__ void load_row(const typename Plan::Team& team, const T* row, int n,
                                         float (&v)[Plan::elements], float beyond) {
  for (float& e : v) e = beyond;
  for_each_pack<Plan>(team, n, [&](int i, int c) { load_floats<Plan::width>(row + c, v + i); });
}
template <class Plan, class T>
__device__ __forceinline__ void store_row(const typename Plan::Team& team, T* row, int n,
                                          const float (&v)[Plan::elements]) {
  for_each_pack<Plan>(team, n, [&](int i, int c) { store_floats<Plan::width>(row + c, v + i); });
}

/// Of one thread's elements.
template <int n>
__device__ __forceinline__ float sum_of(const float (&v)[n]) {
  float sum = 0;
  for (float e : v) sum += e;
  return sum;
}
/// NaN is passed over: what is computed from a row that holds one becomes NaN by itself.
template <int n>
__device__ __forceinline__ float largest_of(const float (&v)[n]) {
  float largest = -infinity;
  for (float e : v) largest = fmaxf(largest, e);
  return largest;
}

/// How rows are walked through by kernels that need no registers for them: pack after pack, of any length.
template <int Width, class TeamOfWalk>
struct RowWalk {
  using Team = TeamOfWalk;
  static constexpr int width = Width, most_threads = std::is_same_v<Team, WarpTeam> ? 128 : 256;
};
/// f(c) for the first column of each of the thread's packs.
template <class Walk, class F>
__device__ __forceinline__ void for_each_pack_of(const typename Walk::Team& team, std::int64_t n, F f) {
  for (std::int64_t c = team.rank() * Walk::width; c < n; c += team.size() * Walk::width) f(c);
}

/// f(c) for every column of a row in memory, for the plain kernels: thread t takes t, t + s, t + 2s, …
template <class F>
__device__ __forceinline__ void for_each_column_of(const BlockTeam& team, std::int64_t n, F f) {
  for (std::int64_t c = team.rank(); c < n; c += team.size()) f(c);
}

/// e^x for x ≤ 0, or NaN. The error of the fast one grows with |x|, to some units in the last place of a number that is
/// as much smaller than 1: of 1 it is never more than one or two.
__device__ __forceinline__ float exp_below_one(float x) { return __expf(x); }

#if !defined(__CUDACC_RTC__)
inline constexpr int warps_of_rows = 4;  // in a block, where a warp has a row
inline constexpr unsigned plain_threads = 256;

/// Whether rows of n elements of T that begin at these addresses are made of 16-byte packs.
template <class T, class... P>
bool rows_fit_packs(std::int64_t n, const P*... rows) {
  return n % pack_width<T> == 0 && ((std::uintptr_t(rows) % 16 == 0) && ...);
}

/// Calls f with the plan that holds rows of n elements, or too_long(). Blocks have up to `threads` threads, each of
/// which holds `elements` elements: kernels that keep several numbers for each ask for fewer. Single elements have an
/// address each, which costs registers: half as many threads.
template <class T, int elements = 32, int threads = 1024, class F, class G>
void with_row_plan(std::int64_t n, bool in_packs, F f, G too_long) {
  constexpr int w = pack_width<T>, warps = warps_of_rows * warp_size;
  if (n > elements * (in_packs ? threads : threads / 2)) return too_long();
  if (n > 1024 && in_packs) return f(RowPlan<w, elements / w, BlockTeam, threads>{});
  if (n > 1024) return f(RowPlan<1, elements, BlockTeam, threads / 2>{});
  if (!in_packs && n <= 256) return f(RowPlan<1, 8, WarpTeam, warps>{});
  if (!in_packs) return f(RowPlan<1, 32, WarpTeam, warps>{});
  if (n <= 256) return f(RowPlan<w, 8 / w, WarpTeam, warps>{});
  if (n <= 512) return f(RowPlan<w, 16 / w, WarpTeam, warps>{});
  if (n <= 768) return f(RowPlan<w, 24 / w, WarpTeam, warps>{});
  f(RowPlan<w, 32 / w, WarpTeam, warps>{});
}

/// One team for each of `teams`.
template <class Plan>
LaunchShape row_launch(std::int64_t teams, std::int64_t n, std::size_t shared = sizeof(RowShared)) {
  if constexpr (std::is_same_v<typename Plan::Team, WarpTeam>)
    return {.grid = {unsigned((teams + warps_of_rows - 1) / warps_of_rows)},
            .block = {Plan::most_threads},
            .shared = shared};
  const std::int64_t threads = (n + Plan::elements - 1) / Plan::elements;
  return {.grid = {unsigned(teams)},
          .block = {unsigned((threads + warp_size - 1) / warp_size * warp_size)},
          .shared = shared};
}

/// Calls f with the walk for rows of n elements: packs of W where they fit, a warp for short rows, else a block.
template <int W, class F>
void with_row_walk(std::int64_t n, bool in_packs, F f) {
  if (in_packs) return n <= 1024 ? f(RowWalk<W, WarpTeam>{}) : f(RowWalk<W, BlockTeam>{});
  n <= 1024 ? f(RowWalk<1, WarpTeam>{}) : f(RowWalk<1, BlockTeam>{});
}
template <class Walk>
LaunchShape walk_launch(std::int64_t rows) {
  constexpr int rows_of_block = std::is_same_v<typename Walk::Team, WarpTeam> ? warps_of_rows : 1;
  return {.grid = {unsigned((rows + rows_of_block - 1) / rows_of_block)},
          .block = {Walk::most_threads},
          .shared = sizeof(RowShared)};
}
/// One block for each row, whatever its length.
inline LaunchShape plain_launch(std::int64_t rows) {
  return {.grid = {unsigned(rows)}, .block = {plain_threads}, .shared = sizeof(RowShared)};
}
#endif

}  // namespace quern::inline QUERN_ABI::kernels
