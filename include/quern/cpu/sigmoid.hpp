/// CPU body of sigmoid.
///
///   cpu::sigmoid(x.rows(), y.rows());
#pragma once
#include <quern/cpu/loops.hpp>
#include <quern/cpu/vec_math.hpp>

namespace quern::inline QUERN_ABI::cpu {

template <class T>
void sigmoid(View<const T, 2> x, View<T, 2> y) {
  for_each_element<T>(x.size(), [&]<class V>(V, std::int64_t i, int count) QUERN_INLINE_LAMBDA {
    sigmoid(V::load(x.data + i, count)).store(y.data + i, count);
  });
}

template <class T>
void sigmoid_backward(View<const T, 2> dy, View<const T, 2> y, View<T, 2> dx) {
  for_each_element<T>(dy.size(), [&]<class V>(V, std::int64_t i, int count) QUERN_INLINE_LAMBDA {
    const V v = V::load(y.data + i, count);
    (V::load(dy.data + i, count) * (v * (V(1) - v))).store(dx.data + i, count);
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
