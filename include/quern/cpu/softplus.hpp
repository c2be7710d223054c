/// CPU body of softplus.
///
///   cpu::softplus(x.rows(), y.rows());
#pragma once
#include <quern/cpu/loops.hpp>
#include <quern/cpu/vec_math.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// y = max(x, 0) + ln(1 + e^-|x|): the exponential is at most 1. max and min give their argument where one is NaN.
template <class T>
void softplus(View<const T, 2> x, View<T, 2> y) {
  for_each_element<T>(x.size(), [&]<class V>(V, std::int64_t i, int count) QUERN_INLINE_LAMBDA {
    const V zero(0), v = V::load(x.data + i, count);
    (zero.max(v) + log1p(exp(v.min(zero - v)))).store(y.data + i, count);
  });
}

template <class T>
void softplus_backward(View<const T, 2> dy, View<const T, 2> x, View<T, 2> dx) {
  for_each_element<T>(dy.size(), [&]<class V>(V, std::int64_t i, int count) QUERN_INLINE_LAMBDA {
    (V::load(dy.data + i, count) * sigmoid(V::load(x.data + i, count))).store(dx.data + i, count);
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
