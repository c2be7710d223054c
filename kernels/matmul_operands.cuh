/// What a product reads: its operands as they lie in memory, and how the threads of a block carry tiles of them.
///
///   MatrixOperand<float, true> a{data, rows, depth};          // K runs along its lines
///   CarriedTile<256, 128, 8, 4, decltype(a)> tile;            // 128 rows x 8 of K, 4 elements a load
///   tile.fetch(a, {i, k, left_of(i, m, 128), left_of(k, K, 8)});
///
/// An operand numbers its lines and what is inside a line. Where `k_inside`, line i is row i of A (or column i of B)
/// and K runs along it; else line k holds A(:, k) (or B(k, :)). Transposes are nothing but this. `at` gives the address
/// of an element, or null for one that is zero and stands nowhere: the padding of conv1d (kernels/conv1d.cuh).
#pragma once
#include "kernels/device/memory.cuh"

/// Before a loop whose counter indexes registers: it must be unrolled, for registers have no addresses.
#if !defined(QUERN_UNROLL)
#if defined(__CUDACC__)
#define QUERN_UNROLL _Pragma("unroll")
#else
#define QUERN_UNROLL
#endif
#endif

namespace quern::inline QUERN_ABI::kernels {

/// A matrix of lines of `length` elements, one after another.
template <class T, bool k_inside_>
struct MatrixOperand {
  using Element = T;
  static constexpr bool k_inside = k_inside_;
  const T* data;
  std::int64_t length;
  __device__ __forceinline__ const T* at(std::int64_t line, std::int64_t inside) const {
    return data + line * length + inside;
  }
};

/// Whether its elements stand where the indices say, or are gathered.
template <class Operand>
inline constexpr bool is_matrix = false;
template <class T, bool k_inside>
inline constexpr bool is_matrix<MatrixOperand<T, k_inside>> = true;

/// Element (i, k) of A, or (k, i) of B. The indices are inside.
template <class Operand>
__device__ __forceinline__ float element(const Operand& operand, std::int64_t i, std::int64_t k) {
  const auto* p = Operand::k_inside ? operand.at(i, k) : operand.at(k, i);
  return p ? float(*p) : 0.f;
}

/// Where a tile begins, and how much of it there is: an operand may end inside it (or the part of K that a block sums).
struct TileBounds {
  int row, k;
  int rows, depth;  // at most the tile's
};
/// What is left of [begin, end), at most `most`.
__device__ __forceinline__ int left_of(std::int64_t begin, std::int64_t end, int most) {
  return end - begin < most ? int(end - begin) : most;
}

/// How `threads` threads cut a tile of `rows` x `depth` into packs of `width` elements: pack n of a thread is
/// n · threads + its number, along the lines first, so that neighbouring threads load neighbouring bytes.
template <int threads, int rows, int depth, int width, class Operand>
struct TilePacks {
  using T = typename Operand::Element;
  static constexpr int length = Operand::k_inside ? depth : rows, lines = Operand::k_inside ? rows : depth;
  static constexpr int per_line = length / width, count = lines * per_line, mine = (count + threads - 1) / threads;
  static_assert(length % width == 0);

  __device__ __forceinline__ static bool has(int n) {
    return count % threads == 0 || n * threads + int(threadIdx.x) < count;
  }
  /// Counted from the tile's first line and from the beginning of its part of the line.
  __device__ __forceinline__ static int line(int n) { return (n * threads + int(threadIdx.x)) / per_line; }
  __device__ __forceinline__ static int inside(int n) { return (n * threads + int(threadIdx.x)) % per_line * width; }
  /// Its address; null where it is zero. Lines end at multiples of `width`: a pack is inside as a whole or not at all.
  __device__ __forceinline__ static const T* address(const Operand& operand, const TileBounds& t, int n) {
    const int i = line(n), j = inside(n);
    const bool within = i < (Operand::k_inside ? t.rows : t.depth) && j < (Operand::k_inside ? t.depth : t.rows);
    if (!within) return nullptr;
    return Operand::k_inside ? operand.at(t.row + i, t.k + j) : operand.at(t.k + i, t.row + j);
  }
};

/// A tile on its way from global to shared memory, in the registers of the block's threads.
template <int threads, int rows, int depth, int width, class Operand>
struct CarriedTile {
  using Packs = TilePacks<threads, rows, depth, width, Operand>;
  using T = typename Operand::Element;
  Pack<T, width> held[Packs::mine];

  /// All threads call. What is beyond the bounds becomes zero.
  __device__ __forceinline__ void fetch(const Operand& operand, const TileBounds& bounds) {
    QUERN_UNROLL
    for (int n = 0; n < Packs::mine; ++n) {
      if (!Packs::has(n)) continue;
      const T* from = Packs::address(operand, bounds, n);
      held[n] = from ? load_pack<width>(from) : Pack<T, width>{};
    }
  }

  /// put(line, inside, pack) for each pack of this thread, counted within the tile.
  template <class Put>
  __device__ __forceinline__ void each(const Put& put) const {
    QUERN_UNROLL
    for (int n = 0; n < Packs::mine; ++n)
      if (Packs::has(n)) put(Packs::line(n), Packs::inside(n), held[n]);
  }
};

}  // namespace quern::inline QUERN_ABI::kernels
