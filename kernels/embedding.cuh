/// Kernels of embedding: rows by id, and their gradient, summed by id in a fixed order.
///
/// Backward sorts (id, position) pairs (kernels/sort.cuh). Then a tile of 32 neighbours of the sorted list belongs to
/// one block: it adds the rows of each id in the order of their positions. An id whose rows all stand in one tile is
/// added to its row of dweight at once. Frequent ids reach over several tiles: each leaves its part in `partial`, and
/// add_partials adds those, again in order. So neither a word that is everywhere nor the number of different words
/// makes some block wait for others, every gradient row is read and written once, and no sum depends on chance.
#pragma once
#include <quern/tensor/view.hpp>
#include "kernels/device/memory.cuh"
#include "kernels/device/warp.cuh"
#include "kernels/fault.cuh"
#include "kernels/launch.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// `Word`: what one thread copies at a time, 2 to 16 bytes. Grid: a block of 256 threads for every `rows_a_block` rows;
/// its threads go through their words in order, which stand one after another in y.
template <class Word>
__global__ void __launch_bounds__(256)
    gather_rows(const std::int32_t* ids, std::int64_t n, unsigned rows_a_block, const Word* weight,
                std::int64_t vocabulary, unsigned words, Word* y, cuda::Fault* fault) {
  const std::int64_t first = std::int64_t(blockIdx.x) * rows_a_block;
  const unsigned rows = unsigned(n - first < rows_a_block ? n - first : rows_a_block);
  for (unsigned i = threadIdx.x; i < rows * words; i += blockDim.x) {
    const unsigned row = i / words, word = i % words;
    const std::int32_t id = ids[first + row];
    const bool sound = id >= 0 && id < vocabulary;
    if (!sound && word == 0) report_fault(fault, cuda::FaultKind::id, first + row, id, vocabulary);
    y[first * words + i] = sound ? weight[std::int64_t(id) * words + word] : Word{};
  }
}

/// What backward knows of the sorted ids. Rows are `packs` packs wide.
struct SortedIds {
  const std::int32_t *ids, *positions;
  std::int64_t n;
  std::int32_t vocabulary;
  __device__ __forceinline__ bool same(std::int64_t i, std::int64_t j) const {  // false where i or j is no place
    return i >= 0 && j < n && ids[i] == ids[j];
  }
};
inline constexpr int segment_tile = 32;

/// Adds `sum` to N columns of row `id`; the thread of the first columns marks it.
template <int N, class T>
__device__ __forceinline__ void add_to_row(View<T, 2> dweight, char* marks, std::int32_t id, std::int64_t column,
                                           const float (&sum)[N]) {
  T* to = dweight.row(id) + column;
  Pack<T, N> row = load_pack<N>(to);
  for (int e = 0; e < N; ++e) row[e] = T(float(row[e]) + sum[e]);
  store_pack(to, row);
  if (marks && column == 0) marks[id] = 1;
}

struct SegmentShared {
  std::int32_t id[segment_tile + 1], position[segment_tile];
};

/// Grid (tiles, groups of columns), a thread for N columns. partial [tiles, 2, width]: the sum of an id that came in
/// from the tile before, and that of one that began here and goes on in the next. Eight rows are loaded before the
/// first is added, to have more than one load on its way.
template <class T, int N>
__global__ void __launch_bounds__(128)
    sum_segments(SortedIds sorted, View<const T, 2> dy, View<T, 2> dweight, char* marks, float* partial) {
  auto& s = shared_memory<SegmentShared>();
  const std::int64_t first = std::int64_t(blockIdx.x) * segment_tile, left = sorted.n - first;
  const int count = int(left < segment_tile ? left : segment_tile);
  const auto t = int(threadIdx.x);
  if (t < count) s.id[t] = sorted.ids[first + t], s.position[t] = sorted.positions[first + t];
  if (t == 0) s.id[count] = left > count ? sorted.ids[first + count] : -1;
  __syncthreads();
  const std::int64_t width = dy.extent(1);
  const std::int64_t column = (std::int64_t(blockIdx.y) * blockDim.x + threadIdx.x) * N;
  if (column >= width) return;
  float* parts = partial + std::int64_t(blockIdx.x) * 2 * width + column;
  bool entered = sorted.same(first - 1, first);
  float sum[N] = {};
  constexpr int ahead = 8;
  for (int begin = 0; begin < count; begin += ahead) {
    Pack<T, N> x[ahead];
    for (int k = 0; k < ahead; ++k)
      if (begin + k < count) x[k] = load_pack<N>(dy.row(s.position[begin + k]) + column);
    for (int k = 0; k < ahead; ++k) {
      const int i = begin + k;
      if (i >= count) break;
      for (int e = 0; e < N; ++e) sum[e] += float(x[k][e]);
      const bool leaves = i == count - 1 && s.id[i + 1] == s.id[i];
      if (!leaves && s.id[i + 1] == s.id[i]) continue;
      if (s.id[i] == sorted.vocabulary) {
        // an id outside the table: forward has reported it
      } else if (entered || leaves) {
        for (int e = 0; e < N; ++e) (entered ? parts : parts + width)[e] = sum[e];
      } else {
        add_to_row(dweight, marks, s.id[i], column, sum);
      }
      entered = false;
      for (int e = 0; e < N; ++e) sum[e] = 0;
    }
  }
}

/// Grid and threads as of sum_segments. Block t adds the parts of the id that begins in tile t and goes on in the next,
/// if there is one: that of tile t, then those of the tiles after it in order.
template <class T, int N>
__global__ void __launch_bounds__(128)
    add_partials(SortedIds sorted, View<T, 2> dweight, char* marks, const float* partial) {
  const std::int64_t first = std::int64_t(blockIdx.x) * segment_tile, next = first + segment_tile;
  if (!sorted.same(next - 1, next) || sorted.ids[next] == sorted.vocabulary) return;
  if (sorted.same(first - 1, next)) return;  // it began before this tile
  const std::int64_t width = dweight.extent(1);
  const std::int64_t column = (std::int64_t(blockIdx.y) * blockDim.x + threadIdx.x) * N;
  if (column >= width) return;
  const float* part = partial + (std::int64_t(blockIdx.x) * 2 + 1) * width + column;
  float sum[N];
  for (int e = 0; e < N; ++e) sum[e] = part[e];
  part += width;  // that of the next tile, of an id that came in
  for (std::int64_t i = next; sorted.same(next - 1, i); i += segment_tile, part += 2 * width)
    for (int e = 0; e < N; ++e) sum[e] += part[e];
  add_to_row(dweight, marks, sorted.ids[next], column, sum);
}

/// The obvious kernel: one block for each row of the table, one thread for each column, all ids in order.
template <class T>
__global__ void sum_rows_naive(const std::int32_t* ids, View<const T, 2> dy, View<T, 2> dweight, char* marks) {
  for (std::int64_t c = threadIdx.x; c < dy.extent(1); c += blockDim.x) {
    float sum = 0;
    bool found = false;
    for (std::int64_t i = 0; i < dy.extent(0); ++i)
      if (ids[i] == std::int32_t(blockIdx.x)) sum += float(dy(i, c)), found = true;
    if (!found) return;
    dweight(blockIdx.x, c) = T(float(dweight(blockIdx.x, c)) + sum);
    if (marks && c == 0) marks[blockIdx.x] = 1;
  }
}

}  // namespace quern::inline QUERN_ABI::kernels
