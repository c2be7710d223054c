/// CPU bodies of layer_norm over the last axis.
///
///   cpu::layer_norm(x.rows(), weight.view(), bias.view(), eps, y.rows(), mean.data(), rstd.data());
///
/// Sums of bf16 are kept in float. A row is read from memory once: its later passes find it in the nearest cache.
#pragma once
#include <cmath>

#include <quern/cpu/loops.hpp>
#include <quern/cpu/reduce.hpp>
#include <quern/tensor/tensor.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// One row: y = (x - mean) · rstd · weight + bias; gives mean and rstd = 1/√(variance + eps).
template <class V, class X, class T>
QUERN_INLINE void layer_norm_row(const X* x, const T* weight, const T* bias, double eps, std::int64_t n, T* y,
                                 accumulator_t<T>& mean, accumulator_t<T>& rstd) {
  using A = accumulator_t<T>;
  mean = sum_of<V>(n, [&](std::int64_t i, int count) QUERN_INLINE_LAMBDA { return V::load(x + i, count); }) / A(n);
  const V m(mean);
  const A squares = sum_of<V>(n, [&](std::int64_t i, int count) QUERN_INLINE_LAMBDA {
    const V centred = V::load(x + i, count) - m;
    return centred * centred;
  });
  rstd = A(1 / std::sqrt(double(squares) / double(n) + eps));
  const V r(rstd);
  for_each_vector<V>(n, [&](std::int64_t i, int count) QUERN_INLINE_LAMBDA {
    const V normed = (V::load(x + i, count) - m) * r;
    normed.fma(V::load(weight + i, count), V::load(bias + i, count)).store(y + i, count);
  });
}

/// With h = (x - mean) · rstd and g = dy · weight: dx = rstd (g - (Σ g + h Σ g h) / n); dy · h and dy are added to
/// `dweight` and `dbias`.
template <class V, class X, class T>
QUERN_INLINE void layer_norm_backward_row(const T* dy, const X* x, const T* weight, accumulator_t<T> mean,
                                          accumulator_t<T> rstd, std::int64_t n, T* dx, accumulator_t<T>* dweight,
                                          accumulator_t<T>* dbias) {
  const V m(mean), r(rstd), share(accumulator_t<T>(1) / accumulator_t<T>(n));
  V sum_g(0), sum_gh(0);
  for_each_vector<V>(
      n, [&](std::int64_t i, int count) QUERN_INLINE_LAMBDA {  // beyond `count` dy is 0, so nothing is added
        const V d = V::load(dy + i, count), h = (V::load(x + i, count) - m) * r, g = d * V::load(weight + i, count);
        sum_g = sum_g + g;
        sum_gh = g.fma(h, sum_gh);
        d.fma(h, V::load(dweight + i, count)).store(dweight + i, count);
        (d + V::load(dbias + i, count)).store(dbias + i, count);
      });
  const V mean_g = V(sum_g.sum()) * share, minus_mean_gh = V(-sum_gh.sum()) * share;
  for_each_vector<V>(n, [&](std::int64_t i, int count) QUERN_INLINE_LAMBDA {
    const V h = (V::load(x + i, count) - m) * r, g = V::load(dy + i, count) * V::load(weight + i, count);
    (r * h.fma(minus_mean_gh, g - mean_g)).store(dx + i, count);
  });
}

/// mean and rstd are [rows].
template <class T>
void layer_norm(View<const T, 2> x, View<const T, 1> weight, View<const T, 1> bias, double eps, View<T, 2> y,
                accumulator_t<T>* mean, accumulator_t<T>* rstd) {
  const std::int64_t n = x.extent(1);
  parallel_for(x.extent(0), row_grain(n), [&](std::int64_t begin, std::int64_t end) {
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t r = begin; r < end; ++r)
        layer_norm_row<V>(x.row(r), weight.data, bias.data, eps, n, y.row(r), mean[r], rstd[r]);
    });
  });
}

/// Sums over rows of [rows, n], for two gradients at once: each of at most 32 pieces of rows has a sum of its own,
/// which f(begin, end, dweight, dbias) adds to, and the pieces are added in order. The pieces depend on the shape
/// alone.
template <class T, class F>
void sum_over_pieces(std::int64_t rows, std::int64_t n, View<T, 1> dweight, View<T, 1> dbias, F&& f) {
  using A = accumulator_t<T>;
  const std::int64_t grain = std::max(row_grain(n), (rows + 31) / 32), pieces = (rows + grain - 1) / grain;
  Tensor<A, 2> sums(pieces, 2 * n);
  parallel_for(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    A* own = sums.data() + begin / grain * 2 * n;
    f(begin, end, own, own + n);
  });
  simd_for<T>([&]<class V>(V) {
    for_each_vector<V>(n, [&](std::int64_t i, int count) QUERN_INLINE_LAMBDA {
      V weight(0), bias(0);
      for (std::int64_t p = 0; p < pieces; ++p) {
        weight = weight + V::load(sums.data() + 2 * p * n + i, count);
        bias = bias + V::load(sums.data() + (2 * p + 1) * n + i, count);
      }
      weight.store(dweight.data + i, count);
      bias.store(dbias.data + i, count);
    });
  });
}

template <class T>
void layer_norm_backward(View<const T, 2> dy, View<const T, 2> x, View<const T, 1> weight, const accumulator_t<T>* mean,
                         const accumulator_t<T>* rstd, View<T, 2> dx, View<T, 1> dweight, View<T, 1> dbias) {
  const std::int64_t n = x.extent(1);
  sum_over_pieces(x.extent(0), n, dweight, dbias, [&](std::int64_t begin, std::int64_t end, auto* dw, auto* db) {
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t r = begin; r < end; ++r)
        layer_norm_backward_row<V>(dy.row(r), x.row(r), weight.data, mean[r], rstd[r], n, dx.row(r), dw, db);
    });
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
