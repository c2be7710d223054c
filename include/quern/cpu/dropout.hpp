/// CPU body of dropout: forward and backward are the same product with a mask that is drawn again each time.
///
///   cpu::dropout(x.rows(), y.rows(), p, random, op);
#pragma once
#include <quern/cpu/loops.hpp>
#include <quern/tensor/random.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// y[i] = x[i] / (1-p) where the number of element i is at least p, else 0. NaN in a dropped place is dropped too.
template <class T>
void dropout(View<const T, 2> x, View<T, 2> y, double p, const Random& random, std::uint32_t op) {
  const T scale = p < 1 ? T(1 / (1 - p)) : T(0);
  const auto threshold = std::uint64_t(p * 0x1p32);  // of 2^32 equally likely numbers, those below are dropped
  parallel_for(x.size(), 4096, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; i += 4) {
      const auto bits = random.block(op, std::uint64_t(i) / 4);
      for (std::int64_t j = 0; j < 4 && i + j < end; ++j)
        y.data[i + j] = bits[std::size_t(j)] >= threshold ? x.data[i + j] * scale : T(0);
    }
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
