/// CPU body of mul.
///
///   cpu::mul(a.rows(), b.rows(), y.rows());
#pragma once
#include <quern/cpu/loops.hpp>

namespace quern::inline QUERN_ABI::cpu {

template <class T>
void mul(View<const T, 2> a, View<const T, 2> b, View<T, 2> y) {
  for_each_element<T>(a.size(), [&]<class V>(V, std::int64_t i, int count) {
    (V::load(a.data + i, count) * V::load(b.data + i, count)).store(y.data + i, count);
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
