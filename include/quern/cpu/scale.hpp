/// CPU body of scale: forward and backward are the same product.
///
///   cpu::scale(x.rows(), 0.125, y.rows());
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/cpu/loops.hpp>

namespace quern::inline QUERN_ABI::cpu {

template <class T>
void scale(View<const T, 2> x, double factor, View<T, 2> y) {
  for_each_element<T>(x.size(), [&]<class V>(V, std::int64_t i, int count) {
    (V(accumulator_t<T>(factor)) * V::load(x.data + i, count)).store(y.data + i, count);
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
