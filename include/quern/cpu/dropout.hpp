/// CPU body of dropout: forward and backward are the same product with a mask that is drawn again each time.
///
///   cpu::dropout(x.rows(), y.rows(), p, random, op);
#pragma once
#include <quern/cpu/loops.hpp>
#include <quern/cpu/philox.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// y[i] = x[i] / (1-p) where the number of element i is at least p, else 0. NaN in a dropped place is dropped too.
template <class T>
void dropout(View<const T, 2> x, View<T, 2> y, double p, const Random& random, std::uint32_t op) {
  constexpr std::int64_t piece = 512;  // of the mask, small enough for the nearest cache
  const KeepStream stream(random, op, p);
  parallel_for(x.size(), 8 * piece, [&](std::int64_t begin, std::int64_t end) {
    accumulator_t<T> keep[piece + keep_slack];
    simd_for<T>([&]<class V>(V) {
      const V scale(accumulator_t<T>(1 / (1 - p)));
      for (std::int64_t first = begin; first < end; first += piece) {
        const std::int64_t n = end - first < piece ? end - first : piece;
        const auto* stays = draw_keep<V>(stream, first, n, keep);
        for_each_vector<V>(n, [&](std::int64_t i, int count) QUERN_INLINE_LAMBDA {
          const V v = V::load(x.data + first + i, count);
          drop(v, V::load(stays + i, count), scale).store(y.data + first + i, count);
        });
      }
    });
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
