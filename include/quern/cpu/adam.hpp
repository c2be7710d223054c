/// CPU body of one Adam step on one parameter.
///
///   cpu::adam(weight.rows(), gradient.rows(), touched, first.rows(), second.rows(), settings);
#pragma once
#include <quern/cpu/loops.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// The numbers of one step; `rate` and `epsilon` include the bias corrections.
struct AdamStep {
  double rate, beta1, beta2, epsilon;
  double l2;     // times the weight, added to the gradient
  double decay;  // the weight is multiplied by this first
};

/// m = β1 m + (1-β1) g;  v = β2 v + (1-β2) g²;  w = w · decay - rate · m / (√v + epsilon). `gradient` may be null:
/// zeros.
template <class V, class T>
QUERN_INLINE void adam_row(T* w, const T* gradient, T* first, T* second, std::int64_t n, const AdamStep& s) {
  const V beta1{T(s.beta1)}, beta2{T(s.beta2)}, rest1{T(1 - s.beta1)}, rest2{T(1 - s.beta2)};
  const V rate{T(-s.rate)}, epsilon{T(s.epsilon)}, l2{T(s.l2)}, decay{T(s.decay)};
  for_each_vector<V>(n, [&](std::int64_t i, int count) {
    const V x = V::load(w + i, count);
    const V g = l2.fma(x, gradient ? V::load(gradient + i, count) : V(T(0)));
    const V m = beta1.fma(V::load(first + i, count), rest1 * g);
    const V v = beta2.fma(V::load(second + i, count), rest2 * (g * g));
    m.store(first + i, count);
    v.store(second + i, count);
    (rate * (m / (v.sqrt() + epsilon))).fma(V(T(1)), decay * x).store(w + i, count);
  });
}

/// All rows. Where `touched` is given, only the rows it marks are read from `gradient`: the others are zero. Without it
/// rows mean nothing, and the elements are cut into even pieces.
template <class T>
void adam(View<T, 2> w, View<const T, 2> gradient, const char* touched, View<T, 2> first, View<T, 2> second,
          const AdamStep& s) {
  const std::int64_t width = touched ? w.extent(1) : 1024, rows = width > 0 ? (w.size() + width - 1) / width : 0;
  parallel_for(rows, row_grain(width), [&](std::int64_t begin, std::int64_t end) {
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t r = begin; r < end; ++r) {
        const std::int64_t i = r * width, n = std::min(width, w.size() - i);
        const T* g = !touched || touched[r] ? gradient.data + i : nullptr;
        adam_row<V>(w.data + i, g, first.data + i, second.data + i, n, s);
      }
    });
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
