/// What the bodies of optimizers share: how a parameter is cut into pieces, and how moments fade to zero.
///
///   for_each_piece<T>(Pieces(w, touched), [&]<class V>(V, const Piece& p) { … });   // on all threads
///   first = without_tiny(beta1.fma(first, rest1 * g), least_moment<float>);
///
/// A row that no text touches has its moments multiplied by β at every step. Without a floor they would end in numbers
/// below the smallest normal one, with which processors compute many times slower.
#pragma once
#include <limits>
#include <vector>

#include <quern/base/dtype.hpp>
#include <quern/cpu/loops.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// Below this a first moment is taken for zero: far enough above the smallest normal number (1.2e-38 for float) that
/// its product with a learning rate is one too, and far below what can still move a weight.
template <class A>
constexpr A least_moment = std::numeric_limits<A>::min() * A(1e8);

/// A second moment below the smallest normal number is taken for zero, and what a step is divided by is at least the
/// root of that number: 0 / 0 gives no step where epsilon is 0.
template <class A>
constexpr A least_square = std::numeric_limits<A>::min();
template <class A>
A least_root() {
  return std::sqrt(least_square<A>);
}

/// x, or 0 where |x| < least; NaN stays.
template <class V, class A>
QUERN_INLINE V without_tiny(const V& x, A least) {
  return V::where_greater(V(least), x.max(V(0) - x), V(0), x);
}

/// Elements first … first+count-1 of a parameter, in chunk number `chunk`. Where not `touched`, their gradient is zero.
struct Piece {
  std::int64_t chunk, first, count;
  bool touched;
};

/// How a parameter is cut: at its rows where they are of middling length, else evenly. The cut does not depend on
/// which rows were touched, so a sum over pieces has the same bits for a row-sparse gradient and a dense one.
struct Pieces {
  std::int64_t size, length, grain;
  const char* touched;  // a mark for each piece, or null: all

  template <class T>
  Pieces(View<T, 2> w, const char* touched_rows) : size(w.size()), length(w.extent(1)), touched(touched_rows) {
    if (length < 16 || length > 4096) length = 1024, touched = nullptr;
    grain = row_grain(length);
  }
  std::int64_t count() const { return (size + length - 1) / length; }
  std::int64_t chunks() const { return (count() + grain - 1) / grain; }
};

/// Calls f(V, piece) for all pieces, V being the vector to load them in.
template <class T, class F>
void for_each_piece(const Pieces& pieces, F&& f) {
  parallel_for(pieces.count(), pieces.grain, [&](std::int64_t begin, std::int64_t end) {
    simd_for<T>([&]<class V>(V v) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t first = i * pieces.length;
        f(v, Piece{begin / pieces.grain, first, std::min(pieces.length, pieces.size - first),
                   !pieces.touched || pieces.touched[i]});
      }
    });
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
