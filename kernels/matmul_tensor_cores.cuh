/// The rungs of the ladder of matmul that use tensor cores: bf16, and tf32 for floats whose last 13 bits do not matter.
/// Sums are floats. `TensorCores` is one tile's product; with one stage it loads, waits and multiplies in turn; with
/// more, copies to the next stages are under way while one is multiplied.
#pragma once
#include "kernels/device/fragments.cuh"
#include "kernels/device/pipeline.cuh"
#include "kernels/matmul_operands.cuh"
#include "kernels/matmul_output.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// A tile of `rows` x `columns` by `warps_down` x `warps_across` warps, each with a rectangle of whole 16 x 16 squares.
template <class T, int rows_, int columns_, int warps_down, int warps_across, int stages, int blocks_wanted_ = 1>
struct TensorCores {
  static constexpr int rows = rows_, columns = columns_, threads = warps_down * warps_across * 32;
  static constexpr int blocks_wanted = blocks_wanted_;
  static constexpr int depth = 64 / int(sizeof(T));  // of a stage: 64 bytes of a line
  static constexpr int warp_rows = rows / warps_down, warp_columns = columns / warps_across;
  static constexpr int down = warp_rows / 16, across = warp_columns / 16;
  static_assert(down * 16 == warp_rows && across * 16 == warp_columns);

  /// Lines in shared memory are 16 bytes (or 8 floats) longer than what they hold: the 8 lines that a fragment reads at
  /// once then lie in different banks.
  template <bool k_inside, int length>
  static constexpr int stride = k_inside ? depth + 16 / int(sizeof(T)) : length + 8;
  template <int length>
  static constexpr int elements =
      length* stride<true, length> > depth* stride<false, length> ? length* stride<true, length>
                                                                  : depth* stride<false, length>;
  struct Tiles {
    alignas(16) T a[stages][elements<rows>];
    alignas(16) T b[stages][elements<columns>];
  };
  using Staged = float[rows][columns + 8];
  /// First the tiles; when the sums are done, the sums.
  union Shared {
    Tiles tiles;
    Staged staged;
  };
  float sums[down][2 * across][4] = {};

  __device__ static int row_of_warp() { return warp_of_thread() / warps_across * warp_rows; }
  __device__ static int column_of_warp() { return warp_of_thread() % warps_across * warp_columns; }

  /// All threads call. Adds to `sums` what K from k_begin to k_end brings; 16 or 8 of K at a time, in order.
  template <int width, class A, class B>
  __device__ void run(Shared& s, const A& a, const B& b, std::int64_t m, std::int64_t n, const TilePlace& tile) {
    if constexpr (stages == 1) {
      run_in_turn<width>(s.tiles, a, b, m, n, tile);
    } else {
      run_ahead<width>(s.tiles, a, b, m, n, tile);
    }
  }

  // snippet: kernel-tensor-cores
  template <int width, class A, class B>
  __device__ void run_in_turn(Tiles& s, const A& a, const B& b, std::int64_t m, std::int64_t n, const TilePlace& tile) {
    CarriedTile<threads, rows, depth, width, A> next_a;
    CarriedTile<threads, columns, depth, width, B> next_b;
    for (int k = tile.k_begin; k < tile.k_end; k += depth) {
      const int depth_left = left_of(k, tile.k_end, depth);
      next_a.fetch(a, {tile.row, k, left_of(tile.row, m, rows), depth_left});
      next_b.fetch(b, {tile.column, k, left_of(tile.column, n, columns), depth_left});
      next_a.each([&](int line, int at, const auto& pack) {
        store_pack(&s.a[0][line * stride<A::k_inside, rows> + at], pack);
      });
      next_b.each([&](int line, int at, const auto& pack) {
        store_pack(&s.b[0][line * stride<B::k_inside, columns> + at], pack);
      });
      __syncthreads();
      multiply<A::k_inside, B::k_inside>(s.a[0], s.b[0]);
      __syncthreads();
    }
  }

  /// All lanes of a warp call: its rectangle of a stage, in squares of 16 x 16.
  template <bool a_inside, bool b_inside>
  __device__ void multiply(const T* a, const T* b) {
    using FragmentsOfA = Fragments<T, a_inside>;
    using FragmentsOfB = Fragments<T, b_inside>;
    QUERN_UNROLL
    for (int k = 0; k < depth; k += FragmentsOfA::depth) {
      std::uint32_t x[down][4], y[across][2][2];
      QUERN_UNROLL
      for (int i = 0; i < down; ++i) FragmentsOfA::load_a(x[i], a, stride<a_inside, rows>, row_of_warp() + 16 * i, k);
      QUERN_UNROLL
      for (int j = 0; j < across; ++j)
        FragmentsOfB::load_b(y[j], b, stride<b_inside, columns>, column_of_warp() + 16 * j, k);
      QUERN_UNROLL
      for (int i = 0; i < down; ++i) {
        QUERN_UNROLL
        for (int j = 0; j < 2 * across; ++j) mma<typename FragmentsOfA::Multiplied>(sums[i][j], x[i], y[j / 2][j % 2]);
      }
    }
  }
  // end

  // snippet: kernel-pipelined
  /// A ring of stages. When stage t is multiplied the copies to the stages after it are under way, and the one before
  /// it is free: all threads have passed the barrier since they read it.
  template <int width, class A, class B>
  __device__ void run_ahead(Tiles& s, const A& a, const B& b, std::int64_t m, std::int64_t n, const TilePlace& tile) {
    const int tiles = (tile.k_end - tile.k_begin + depth - 1) / depth;
    const auto begin_copy = [&](int t) {
      if (t < tiles) {
        const int k = tile.k_begin + t * depth;
        const int depth_left = left_of(k, tile.k_end, depth);
        copy<width, rows>(s.a[t % stages], a, {tile.row, k, left_of(tile.row, m, rows), depth_left});
        copy<width, columns>(s.b[t % stages], b, {tile.column, k, left_of(tile.column, n, columns), depth_left});
      }
      cp_async_commit();  // also an empty one: then the last `stages - 2` groups are always those after stage t
    };
    for (int t = 0; t < stages - 1; ++t) begin_copy(t);
    for (int t = 0; t < tiles; ++t) {
      cp_async_wait<stages - 2>();  // my copies to stage t have arrived,
      __syncthreads();              // and everybody's
      begin_copy(t + stages - 1);
      multiply<A::k_inside, B::k_inside>(s.a[t % stages], s.b[t % stages]);
    }
    cp_async_wait<0>();
  }

  template <int width, int length, class Operand>
  __device__ void copy(T* to, const Operand& operand, const TileBounds& bounds) {
    using Packs = TilePacks<threads, length, depth, width, Operand>;
    constexpr int bytes = width * int(sizeof(T));
    QUERN_UNROLL
    for (int n = 0; n < Packs::mine; ++n) {
      if (!Packs::has(n)) continue;
      const T* from = Packs::address(operand, bounds, n);
      cp_async_or_zero<bytes>(to + Packs::line(n) * stride<Operand::k_inside, length> + Packs::inside(n),
                              from ? from : operand.data, from ? bytes : 0);
    }
  }
  // end

  /// All threads call, when nobody reads the tiles any more: the sums of the whole tile to shared memory.
  __device__ void stage(Staged& staged) const {
    const int i0 = row_of_warp() + lane_of_thread() / 4, j0 = column_of_warp() + lane_of_thread() % 4 * 2;
    QUERN_UNROLL
    for (int i = 0; i < down; ++i) {
      QUERN_UNROLL
      for (int j = 0; j < 2 * across; ++j) {
        const auto& four = sums[i][j];  // two neighbours of a row, and those 8 rows below
        store_pack(&staged[i0 + 16 * i][j0 + 8 * j], Pack<float, 2>{four[0], four[1]});
        store_pack(&staged[i0 + 16 * i + 8][j0 + 8 * j], Pack<float, 2>{four[2], four[3]});
      }
    }
  }

  /// f(i, j, sums) for each group of neighbours in a row, as many as make 16 bytes of T. The sums go through shared
  /// memory: as the tensor cores leave them a thread has but two neighbours.
  static constexpr int group = pack_width<T>;
  template <class F>
  __device__ void each_group(Shared& s, const F& f) const {
    __syncthreads();  // the tiles have been read
    stage(s.staged);
    __syncthreads();
    for (int t = int(threadIdx.x); t < rows * columns / group; t += threads) {
      const int i = t / (columns / group), j = t % (columns / group) * group;
      float row[group];
      QUERN_UNROLL
      for (int e = 0; e < group; e += 4) {
        const auto four = load_pack<4>(&s.staged[i][j + e]);
        QUERN_UNROLL
        for (int c = 0; c < 4; ++c) row[e + c] = four[c];
      }
      f(i, j, row);
    }
  }
};

}  // namespace quern::inline QUERN_ABI::kernels
