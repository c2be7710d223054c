/// CPU body of one step of stochastic gradient descent on one parameter.
///
///   cpu::sgd(weight.rows(), gradient.rows(), rate, l2);
#pragma once
#include <quern/cpu/loops.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// w = w · shrink - rate · g over n elements.
template <class T>
void sgd(T* w, const T* gradient, std::int64_t n, double rate, double shrink) {
  for_each_element<T>(n, [&]<class V>(V, std::int64_t i, int count) {
    V(T(-rate)).fma(V::load(gradient + i, count), V(T(shrink)) * V::load(w + i, count)).store(w + i, count);
  });
}

/// Σ x² over n elements: chunks short enough that T keeps its digits, added in order in double.
template <class T>
double sum_of_squares(const T* x, std::int64_t n) {
  constexpr std::int64_t chunk = 1024;
  double total = 0;
  for (std::int64_t begin = 0; begin < n; begin += chunk) {
    const std::int64_t length = std::min(chunk, n - begin);
    simd_for<T>([&]<class V>(V) {
      V squares(T(0));
      for_each_vector<V>(length, [&](std::int64_t i, int count) {
        const V v = V::load(x + begin + i, count);
        squares = v.fma(v, squares);
      });
      total += double(squares.sum());
    });
  }
  return total;
}

/// x *= a over n elements.
template <class T>
void scale(T* x, std::int64_t n, double a) {
  for_each_element<T>(
      n, [&]<class V>(V, std::int64_t i, int count) { (V(T(a)) * V::load(x + i, count)).store(x + i, count); });
}

}  // namespace quern::inline QUERN_ABI::cpu
