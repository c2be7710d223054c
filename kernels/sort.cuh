/// A stable radix sort of ids with their positions, 8 bits a pass, the lowest bits first (Satish, Harris & Garland
/// 2009).
///
/// A pass is three kernels: count_digits counts the ids of each tile by digit, prefix_of_counts turns the counts into
/// where each digit of each tile begins, scatter_ids puts every id there. Within a tile each warp holds neighbouring
/// ids and takes 32 at a time, so what stands before another id stays before it: equal ids keep their order, and all
/// that is computed from it has a fixed order too. A list that fits one tile takes one kernel, sort_tile.
#pragma once
#include "kernels/device/block.cuh"
#include "kernels/device/memory.cuh"
#include "kernels/launch.cuh"

namespace quern::inline QUERN_ABI::kernels {

inline constexpr int sort_threads = 256, sort_warps = sort_threads / warp_size, digits = 256;
inline constexpr int sort_items = 8;  // ids a thread
inline constexpr int sort_tile_size = sort_threads * sort_items;

/// An id to sort by, and where it stood.
template <class Id>
struct SortItem {
  Id id, position;
};

/// What one pass sorts, and where to. Of the first pass `positions` is null: an id stands at its own index.
template <class Id>
struct SortPass {
  const Id *ids, *positions;
  Id *sorted_ids, *sorted_positions;
  unsigned n;
  int shift;      // of the digit
  Id vocabulary;  // ids outside 0 … vocabulary-1 count as vocabulary: they come last
};

template <class Id>
__device__ __forceinline__ SortItem<Id> item_of(const SortPass<Id>& p, unsigned i) {
  const Id id = p.ids[i];
  return {id < 0 || id > p.vocabulary ? p.vocabulary : id, p.positions ? p.positions[i] : Id(i)};
}
template <class Id>
__device__ __forceinline__ int digit_of(Id id, int shift) {
  return int(id >> shift) & (digits - 1);
}

/// All lanes of a warp call: which of them have the same digit as the calling one. A lane without an item has none.
__device__ __forceinline__ unsigned lanes_with_digit(int digit, bool there QUERN_CALLER) {
  unsigned same = __ballot_sync(full_mask, there QUERN_PASS_CALLER);
  for (int bit = 0; bit < 8; ++bit) {
    const unsigned set = __ballot_sync(full_mask, digit >> bit & 1 QUERN_PASS_CALLER);
    same &= digit >> bit & 1 ? set : ~set;
  }
  return same;
}

struct RankShared {
  unsigned before[sort_warps][digits];  // of each digit: the ids in this tile that stand before those of the warp
  unsigned begin[digits];               // where the tile's ids of each digit go
  unsigned partial[sort_warps];
};

/// The items of one tile that a thread holds. Item k of lane l of warp w is number (w · sort_items + k) · 32 + l.
template <class Id>
struct HeldItems {
  SortItem<Id> item[sort_items];
  unsigned rank[sort_items];  // among the tile's ids of the same digit
};
__device__ __forceinline__ int number_in_tile(int k) {
  return (warp_of_thread() * sort_items + k) * warp_size + lane_of_thread();
}

/// Ranks the `count` items that the threads hold. All threads call; gives thread d the number of ids with digit d.
template <class Id>
__device__ __forceinline__ unsigned rank_items(RankShared& s, HeldItems<Id>& held, int count, int shift) {
  const int warp = warp_of_thread(), lane = lane_of_thread();
  for (int d = lane; d < digits; d += warp_size) s.before[warp][d] = 0;
  __syncwarp();
  for (int k = 0; k < sort_items; ++k) {
    const bool there = number_in_tile(k) < count;
    const int digit = digit_of(held.item[k].id, shift);
    const unsigned same = lanes_with_digit(digit, there), lower = same & ((1u << lane) - 1);
    held.rank[k] = s.before[warp][digit] + unsigned(__popc(lower));
    __syncwarp();
    if (there && lower == 0) s.before[warp][digit] += unsigned(__popc(same));  // the first of them counts all
    __syncwarp();
  }
  __syncthreads();
  unsigned sum = 0;  // thread d: the warps' counts of digit d become what stands before each warp
  for (int w = 0; w < sort_warps; ++w) {
    const unsigned here = s.before[w][threadIdx.x];
    s.before[w][threadIdx.x] = sum;
    sum += here;
  }
  return sum;
}

/// Where item k goes, after rank_items, once s.begin is filled and the threads have met.
template <class Id>
__device__ __forceinline__ unsigned destination(const RankShared& s, const HeldItems<Id>& held, int k, int shift) {
  const int digit = digit_of(held.item[k].id, shift);
  return s.begin[digit] + s.before[warp_of_thread()][digit] + held.rank[k];
}

template <class Id>
struct SortTileShared {
  RankShared rank;
  SortItem<Id> item[sort_tile_size];
};

/// One block of 256 threads sorts up to 2048 ids, all passes in shared memory. `bits`: of the largest id.
template <class Id>
__global__ void __launch_bounds__(sort_threads) sort_tile(SortPass<Id> p, int bits) {
  auto& s = shared_memory<SortTileShared<Id>>();
  HeldItems<Id> held;
  for (int k = 0; k < sort_items; ++k) {
    const auto i = unsigned(number_in_tile(k));
    held.item[k] = i < p.n ? item_of(p, i) : SortItem<Id>{0, 0};
  }
  for (int shift = 0; shift < bits; shift += 8) {
    const unsigned count = rank_items(s.rank, held, int(p.n), shift);
    unsigned total;
    s.rank.begin[threadIdx.x] = block_prefix_sum(count, s.rank.partial, total);
    __syncthreads();
    for (int k = 0; k < sort_items; ++k)
      if (unsigned(number_in_tile(k)) < p.n) s.item[destination(s.rank, held, k, shift)] = held.item[k];
    __syncthreads();
    for (int k = 0; k < sort_items; ++k)
      if (unsigned(number_in_tile(k)) < p.n) held.item[k] = s.item[number_in_tile(k)];
  }
  for (int k = 0; k < sort_items; ++k) {
    const auto i = unsigned(number_in_tile(k));
    if (i < p.n) p.sorted_ids[i] = held.item[k].id, p.sorted_positions[i] = held.item[k].position;
  }
}

struct CountShared {
  unsigned count[digits];
};

/// Block t of 256 threads, tile t: counts[digit][t] = how many of the tile's ids have it. Whole numbers add up to the
/// same in any order, so here atomics are allowed.
template <class Id>
__global__ void __launch_bounds__(sort_threads) count_digits(SortPass<Id> p, unsigned* counts) {
  auto& s = shared_memory<CountShared>();
  s.count[threadIdx.x] = 0;
  __syncthreads();
  for (int k = 0; k < sort_items; ++k) {
    const unsigned i = blockIdx.x * unsigned(sort_tile_size) + unsigned(k) * sort_threads + threadIdx.x;
    if (i < p.n) atomicAdd(&s.count[digit_of(item_of(p, i).id, p.shift)], 1u);
  }
  __syncthreads();
  counts[threadIdx.x * gridDim.x + blockIdx.x] = s.count[threadIdx.x];
}

struct PrefixShared {
  unsigned partial[32];
};

/// One block of 1024 threads: counts[i] becomes counts[0] + … + counts[i-1], 1024 of them at a time.
template <class Count>
__global__ void __launch_bounds__(1024) prefix_of_counts(Count* counts, unsigned n) {
  auto& s = shared_memory<PrefixShared>();
  Count before = 0;
  for (unsigned first = 0; first < n; first += 1024) {
    const unsigned i = first + threadIdx.x;
    Count total;
    const Count sum = block_prefix_sum(i < n ? counts[i] : Count(0), s.partial, total);
    if (i < n) counts[i] = before + sum;
    before += total;
  }
}

/// Block t of 256 threads puts tile t's ids in their places, which begin at begins[digit][t].
template <class Id>
__global__ void __launch_bounds__(sort_threads) scatter_ids(SortPass<Id> p, const unsigned* begins) {
  auto& s = shared_memory<RankShared>();
  const unsigned first = blockIdx.x * unsigned(sort_tile_size);
  const int count = int(p.n - first < unsigned(sort_tile_size) ? p.n - first : unsigned(sort_tile_size));
  HeldItems<Id> held;
  for (int k = 0; k < sort_items; ++k)
    held.item[k] = number_in_tile(k) < count ? item_of(p, first + unsigned(number_in_tile(k))) : SortItem<Id>{0, 0};
  rank_items(s, held, count, p.shift);
  s.begin[threadIdx.x] = begins[threadIdx.x * gridDim.x + blockIdx.x];
  __syncthreads();
  for (int k = 0; k < sort_items; ++k) {
    if (number_in_tile(k) >= count) continue;
    const unsigned to = destination(s, held, k, p.shift);
    p.sorted_ids[to] = held.item[k].id, p.sorted_positions[to] = held.item[k].position;
  }
}

}  // namespace quern::inline QUERN_ABI::kernels
