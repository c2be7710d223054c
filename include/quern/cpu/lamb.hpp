/// CPU body of one LAMB step on one parameter: two passes, for the step's length is known after the first.
///
///   cpu::lamb(weight.rows(), gradient.rows(), touched, first.data(), second.data(), settings);
#pragma once
#include <quern/cpu/moments.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// The numbers of one step; `correction` and `epsilon` include the bias corrections.
struct LambStep {
  double rate, beta1, beta2, epsilon;
  double correction;  // times the first moment
  double decay;       // times the weight, added to the direction
};

/// r + λ w, where r = correction · m / (√v + epsilon).
template <class V, class A>
QUERN_INLINE V lamb_direction(const V& x, const V& m, const V& v, const LambStep& s) {
  const V root = V(least_root<A>()).max(v.sqrt() + V(A(s.epsilon)));
  return V(A(s.decay)).fma(x, V(A(s.correction)) * (m / root));
}

struct LambSums {
  double weight = 0, direction = 0;
};

/// m = β1 m + (1-β1) g;  v = β2 v + (1-β2) g²; adds the squares of w and of the direction to `sums`, in stretches short
/// enough that T keeps its digits. `gradient` may be null: zeros.
template <class V, class T>
QUERN_INLINE void lamb_moments(const T* w, const T* gradient, T* first, T* second, std::int64_t n, const LambStep& s,
                               LambSums& sums) {
  using A = accumulator_t<T>;
  const V beta1{A(s.beta1)}, beta2{A(s.beta2)}, rest1{A(1 - s.beta1)}, rest2{A(1 - s.beta2)};
  for (std::int64_t begin = 0; begin < n; begin += 1024) {
    V of_weight(A(0)), of_direction(A(0));
    for_each_vector<V>(std::min<std::int64_t>(1024, n - begin), [&](std::int64_t offset, int count) {
      const std::int64_t i = begin + offset;
      const V x = V::load(w + i, count), g = gradient ? V::load(gradient + i, count) : V(A(0));
      const V m = without_tiny(beta1.fma(V::load(first + i, count), rest1 * g), least_moment<A>);
      const V v = without_tiny(beta2.fma(V::load(second + i, count), rest2 * (g * g)), least_square<A>);
      m.store(first + i, count);
      v.store(second + i, count);
      const V u = lamb_direction<V, A>(x, m, v, s);
      of_weight = x.fma(x, of_weight), of_direction = u.fma(u, of_direction);
    });
    sums.weight += double(of_weight.sum()), sums.direction += double(of_direction.sum());
  }
}

/// w = w - rate · (‖w‖ / ‖u‖) · u with u = r + λ w; the ratio is 1 where a norm is zero. Where `touched` is given, only
/// the rows it marks need be read from `gradient`: the others are zero. Chunks of sums are added in order.
template <class T>
void lamb(View<T, 2> w, View<const T, 2> gradient, const char* touched, T* first, T* second, const LambStep& s) {
  using A = accumulator_t<T>;
  const Pieces pieces(w, touched);
  std::vector<LambSums> sums(std::size_t(pieces.chunks()));
  for_each_piece<T>(pieces, [&]<class V>(V, const Piece& p) {
    const std::int64_t i = p.first;
    lamb_moments<V>(w.data + i, p.touched ? gradient.data + i : nullptr, first + i, second + i, p.count, s,
                    sums[std::size_t(p.chunk)]);
  });
  LambSums all;
  for (const LambSums& sum : sums) all.weight += sum.weight, all.direction += sum.direction;
  const bool adapt = all.weight != 0 && all.direction != 0;
  const double rate = s.rate * (adapt ? std::sqrt(all.weight / all.direction) : 1);
  for_each_element<T>(w.size(), [&]<class V>(V, std::int64_t i, int count) {
    const V x = V::load(w.data + i, count);
    const V u = lamb_direction<V, A>(x, V::load(first + i, count), V::load(second + i, count), s);
    V(A(-rate)).fma(u, x).store(w.data + i, count);
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
