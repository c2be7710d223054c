/// CPU body of relu.
///
///   cpu::relu(x.rows(), y.rows());
#pragma once
#include <quern/cpu/loops.hpp>

namespace quern::inline QUERN_ABI::cpu {

template <class T>
void relu(View<const T, 2> x, View<T, 2> y) {
  for_each_element<T>(x.size(), [&]<class V>(V, std::int64_t i, int count) {
    V(T(0)).max(V::load(x.data + i, count)).store(y.data + i, count);  // max gives its argument where one is NaN
  });
}

template <class T>
void relu_backward(View<const T, 2> dy, View<const T, 2> y, View<T, 2> dx) {
  for_each_element<T>(dy.size(), [&]<class V>(V, std::int64_t i, int count) {
    const V zero(T(0));
    V::where_greater(V::load(y.data + i, count), zero, V::load(dy.data + i, count), zero).store(dx.data + i, count);
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
