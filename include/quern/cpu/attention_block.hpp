/// The parts of attention's CPU bodies that know no text: blocks of scores, the softmax of a row, memory.
///
///   const ScoreBlock<float> block{i, rows, j, columns, s, stride, causal};
///   softmax_step<V>(block.row(r), block.visible(r), most[r], sum[r]);      // scores → exponentials, online
///
/// Scores are kept for powers of two: multiplied by 1 / ln 2, which the exponential would do otherwise.
#pragma once
#include <array>

#include <quern/cpu/philox.hpp>
#include <quern/cpu/reduce.hpp>
#include <quern/cpu/small_products.hpp>
#include <quern/cpu/vec_math.hpp>

namespace quern::inline QUERN_ABI::cpu::detail {

/// One head of one text: rows first … first + rows - 1 of the batch, columns `column` … of each.
struct AttentionHead {
  std::int64_t first, rows, head, column;
};

/// A block of scores: queries i … i + rows - 1 of a text against its keys j … j + columns - 1. Rows of `s` stand an odd
/// number of cache lines apart: those of a column then lie in different sets.
template <class A>
struct ScoreBlock {
  std::int64_t i, rows, j, columns;
  A* s;
  std::int64_t stride;
  bool causal;

  static std::int64_t stride_of(std::int64_t columns) { return round_up(columns, 16) | 16; }
  A* row(std::int64_t r) const { return s + r * stride; }
  /// How many keys of the block row r attends to.
  std::int64_t visible(std::int64_t r) const {
    return causal ? std::clamp<std::int64_t>(i + r + 1 - j, 0, columns) : columns;
  }
};

/// Pieces of this thread's scratch memory, each with room for what a right operand may be read beyond its end.
template <class A, class... Sizes>
std::array<A*, sizeof...(Sizes)> carve(Sizes... sizes) {
  const std::int64_t padded[] = {round_up(sizes + SmallProducts<A>::slack, 16)...};
  std::int64_t total = 0;
  for (auto n : padded) total += n;
  std::array<A*, sizeof...(Sizes)> pieces;
  A* at = scratch<2>().get<A>(total);
  for (std::size_t p = 0; p < pieces.size(); ++p) pieces[p] = at, at += padded[p];
  return pieces;
}

/// `rows` rows of `width` elements, times `factor`, from rows `from_stride` apart to rows `to_stride` apart.
template <class X, class Y>
void copy_scaled(const X* from, std::int64_t from_stride, Y* to, std::int64_t to_stride, std::int64_t rows,
                 std::int64_t width, accumulator_t<X> factor) {
  simd_for<X>([&]<class V>(V) {
    const V f(factor);
    for (std::int64_t r = 0; r < rows; ++r)
      for_each_vector<V>(width, [&](std::int64_t c, int count) QUERN_INLINE_LAMBDA {
        (V::load(from + r * from_stride + c, count) * f).store(to + r * to_stride + c, count);
      });
  });
}

/// Scores s[0 .. n) become 2^(s - most), the largest of them or of those before; their sum is added to `sum`. Gives the
/// factor for what was added up against the largest before.
template <class V, class A>
QUERN_INLINE A softmax_step(A* s, std::int64_t n, A& most, A& sum) {
  const A before = most, found = largest_of<V>(s, n);  // a NaN comes through the exponentials in any case
  most = found > before ? found : before;
  const V shift(most);
  const A added = sum_of<V>(n, [&](std::int64_t c, int count) QUERN_INLINE_LAMBDA {
    const V e = exp2(V::load(s + c, count) - shift);
    e.store(s + c, count);
    return e;
  });
  const A factor = sum > 0 ? std::exp2(before - most) : A(1);
  sum = sum * factor + added;
  return factor;
}

/// s: scores → probabilities as they met v; dp: dy · v → gradients of the scores. `keep` is the row's mask, or null.
template <class V, class A>
QUERN_INLINE void softmax_step_backward(A* s, A* dp, std::int64_t n, A lse, A delta, const A* keep, const V& scale) {
  const V shift(lse), mean(delta);
  for_each_vector<V>(n, [&](std::int64_t c, int count) QUERN_INLINE_LAMBDA {
    const V p = exp2(V::load(s + c, count) - shift), g = V::load(dp + c, count);
    if (keep) {
      const V k = V::load(keep + c, count);
      drop(p, k, scale).store(s + c, count);
      (p * (drop(g, k, scale) - mean)).store(dp + c, count);
    } else {
      p.store(s + c, count);
      (p * (g - mean)).store(dp + c, count);
    }
  });
}

}  // namespace quern::inline QUERN_ABI::cpu::detail
