/// CPU bodies of stochastic gradient descent, without and with momentum, and of what clipping needs.
///
///   cpu::sgd(weight.data(), gradient.data(), n, rate, l2);
///   cpu::sgd_momentum(weight.rows(), gradient.rows(), touched, velocity.data(), settings);
#pragma once
#include <quern/cpu/moments.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// w = w - rate · (g + l2 · w) over n elements.
template <class T>
void sgd(T* w, const T* gradient, std::int64_t n, double rate, double l2) {
  using A = accumulator_t<T>;
  for_each_element<T>(n, [&]<class V>(V, std::int64_t i, int count) {
    const V x = V::load(w + i, count);
    V(A(-rate)).fma(V(A(l2)).fma(x, V::load(gradient + i, count)), x).store(w + i, count);
  });
}

/// The numbers of one step with momentum; `rest` is what the gradient is multiplied by on its way into the velocity.
struct MomentumStep {
  double rate, momentum, rest;
  double l2;  // times the weight, added to the gradient
  bool nesterov;
};

/// u = momentum · u + rest · g;  w = w - rate · u, or with Nesterov w - rate · (g + momentum · u). `gradient` may be
/// null: zeros.
template <class V, class T>
QUERN_INLINE void sgd_momentum_row(T* w, const T* gradient, T* velocity, std::int64_t n, const MomentumStep& s) {
  using A = accumulator_t<T>;
  const V rate{A(-s.rate)}, momentum{A(s.momentum)}, rest{A(s.rest)}, l2{A(s.l2)};
  for_each_vector<V>(n, [&](std::int64_t i, int count) {
    const V x = V::load(w + i, count);
    const V g = l2.fma(x, gradient ? V::load(gradient + i, count) : V(A(0)));
    const V u = without_tiny(momentum.fma(V::load(velocity + i, count), rest * g), least_moment<A>);
    u.store(velocity + i, count);
    rate.fma(s.nesterov ? momentum.fma(u, g) : u, x).store(w + i, count);
  });
}

/// All elements. Where `touched` is given, only the rows it marks need be read from `gradient`: the others are zero.
template <class T>
void sgd_momentum(View<T, 2> w, View<const T, 2> gradient, const char* touched, T* velocity, const MomentumStep& s) {
  for_each_piece<T>(Pieces(w, touched), [&]<class V>(V, const Piece& p) {
    const std::int64_t i = p.first;
    sgd_momentum_row<V>(w.data + i, p.touched ? gradient.data + i : nullptr, velocity + i, p.count, s);
  });
}

/// Σ x² over n elements: stretches short enough that T keeps its digits, added in order in double.
template <class V, class T>
QUERN_INLINE double squares(const T* x, std::int64_t n) {
  constexpr std::int64_t stretch = 1024;
  double total = 0;
  for (std::int64_t begin = 0; begin < n; begin += stretch) {
    V sum(accumulator_t<T>(0));
    for_each_vector<V>(std::min(stretch, n - begin), [&](std::int64_t i, int count) {
      const V v = V::load(x + begin + i, count);
      sum = v.fma(v, sum);
    });
    total += double(sum.sum());
  }
  return total;
}

/// Σ x² over the rows that `touched` marks (null: all); the others are zero. Chunks are added in order, so the bits
/// depend neither on the threads nor on whether rows are marked.
template <class T>
double sum_of_squares(View<const T, 2> x, const char* touched) {
  const Pieces pieces(x, touched);
  std::vector<double> sums(std::size_t(pieces.chunks()));
  for_each_piece<T>(pieces, [&]<class V>(V, const Piece& p) {
    if (p.touched) sums[std::size_t(p.chunk)] += squares<V>(x.data + p.first, p.count);
  });
  double total = 0;
  for (double sum : sums) total += sum;
  return total;
}

/// x *= a over n elements.
template <class T>
void scale(T* x, std::int64_t n, double a) {
  for_each_element<T>(n, [&]<class V>(V, std::int64_t i, int count) {
    (V(accumulator_t<T>(a)) * V::load(x + i, count)).store(x + i, count);
  });
}

/// x = min(max(x, -most), most) over n elements; NaN stays.
template <class T>
void clamp(T* x, std::int64_t n, double most) {
  using A = accumulator_t<T>;
  for_each_element<T>(n, [&]<class V>(V, std::int64_t i, int count) {
    V(A(-most)).max(V(A(most)).min(V::load(x + i, count))).store(x + i, count);
  });
}

/// a += weight · (x - a) over n elements.
template <class T>
void move_towards(T* a, const T* x, std::int64_t n, double weight) {
  for_each_element<T>(n, [&]<class V>(V, std::int64_t i, int count) {
    const V from = V::load(a + i, count);
    V(accumulator_t<T>(weight)).fma(V::load(x + i, count) - from, from).store(a + i, count);
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
