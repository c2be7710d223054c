/// CPU body of one Adam step on one parameter.
///
///   cpu::adam(weight.rows(), gradient.rows(), touched, first.data(), second.data(), nullptr, settings);
#pragma once
#include <quern/cpu/moments.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// The numbers of one step; `rate` and `epsilon` include the bias corrections.
struct AdamStep {
  double rate, beta1, beta2, epsilon;
  double l2;     // times the weight, added to the gradient
  double decay;  // times the weight, taken off the weight
};

/// m = β1 m + (1-β1) g;  v = β2 v + (1-β2) g²;  w = w - decay · w - rate · m / (√v + epsilon). `gradient` may be null:
/// zeros. `largest` may be null; else the largest v so far stands in it and in v's place in the last formula.
template <class V, class T>
QUERN_INLINE void adam_row(T* w, const T* gradient, T* first, T* second, T* largest, std::int64_t n,
                           const AdamStep& s) {
  using A = accumulator_t<T>;
  const V beta1{A(s.beta1)}, beta2{A(s.beta2)}, rest1{A(1 - s.beta1)}, rest2{A(1 - s.beta2)};
  const V rate{A(-s.rate)}, epsilon{A(s.epsilon)}, l2{A(s.l2)}, decay{A(-s.decay)}, least_root{cpu::least_root<A>()};
  for_each_vector<V>(n, [&](std::int64_t i, int count) {
    const V x = V::load(w + i, count);
    const V g = l2.fma(x, gradient ? V::load(gradient + i, count) : V(A(0)));
    const V m = without_tiny(beta1.fma(V::load(first + i, count), rest1 * g), least_moment<A>);
    V v = without_tiny(beta2.fma(V::load(second + i, count), rest2 * (g * g)), least_square<A>);
    m.store(first + i, count);
    v.store(second + i, count);
    if (largest) {
      v = V::load(largest + i, count).max(v);
      v.store(largest + i, count);
    }
    rate.fma(m / least_root.max(v.sqrt() + epsilon), decay.fma(x, x)).store(w + i, count);
  });
}

/// All elements. Where `touched` is given, only the rows it marks need be read from `gradient`: the others are zero.
template <class T>
void adam(View<T, 2> w, View<const T, 2> gradient, const char* touched, T* first, T* second, T* largest,
          const AdamStep& s) {
  for_each_piece<T>(Pieces(w, touched), [&]<class V>(V, const Piece& p) {
    const std::int64_t i = p.first;
    adam_row<V>(w.data + i, p.touched ? gradient.data + i : nullptr, first + i, second + i,
                largest ? largest + i : nullptr, p.count, s);
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
