/// CPU bodies of layer_norm over x + dropout(residual). The sum of a row lives in a buffer in the nearest cache, and
/// backward computes it again: it is never written to memory.
///
///   cpu::layer_norm_residual(x.rows(), residual.rows(), drop, weight.view(), bias.view(), eps, y.rows(), mean, rstd);
#pragma once
#include <quern/cpu/layer_norm.hpp>
#include <quern/cpu/philox.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// The dropout of the residual; none where p is 0.
struct ResidualDropout {
  double p;
  KeepStream stream;
};

/// Two rows for a chunk to work in: x + dropout(residual), and the mask.
template <class T>
struct ResidualRow {
  using A = accumulator_t<T>;
  explicit ResidualRow(std::int64_t n) : sum(n), keep(n + keep_slack) {}

  /// Computes row `r` of the sum.
  template <class V>
  QUERN_INLINE void fill(const T* x, const T* residual, const ResidualDropout& d, std::int64_t r) {
    const std::int64_t n = sum.size();
    if (d.p == 0) {
      for_each_vector<V>(n, [&](std::int64_t i, int count) QUERN_INLINE_LAMBDA {
        (V::load(x + i, count) + V::load(residual + i, count)).store(sum.data() + i, count);
      });
      return;
    }
    stays = draw_keep<V>(d.stream, r * n, n, keep.data());
    const V scale(A(1 / (1 - d.p)));
    for_each_vector<V>(n, [&](std::int64_t i, int count) QUERN_INLINE_LAMBDA {
      const V kept = drop(V::load(residual + i, count), V::load(stays + i, count), scale);
      (V::load(x + i, count) + kept).store(sum.data() + i, count);
    });
  }

  Tensor<A, 1> sum, keep;
  const A* stays = nullptr;
};

template <class T>
void layer_norm_residual(View<const T, 2> x, View<const T, 2> residual, const ResidualDropout& dropout,
                         View<const T, 1> weight, View<const T, 1> bias, double eps, View<T, 2> y,
                         accumulator_t<T>* mean, accumulator_t<T>* rstd) {
  const std::int64_t n = x.extent(1);
  parallel_for(x.extent(0), row_grain(n), [&](std::int64_t begin, std::int64_t end) {
    ResidualRow<T> row(n);
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t r = begin; r < end; ++r) {
        row.template fill<V>(x.row(r), residual.row(r), dropout, r);
        layer_norm_row<V>(row.sum.data(), weight.data, bias.data, eps, n, y.row(r), mean[r], rstd[r]);
      }
    });
  });
}

/// `dresidual` may be the memory of `dx` where nothing is dropped: the two gradients are equal then.
template <class T>
void layer_norm_residual_backward(View<const T, 2> dy, View<const T, 2> x, View<const T, 2> residual,
                                  const ResidualDropout& dropout, View<const T, 1> weight, const accumulator_t<T>* mean,
                                  const accumulator_t<T>* rstd, View<T, 2> dx, View<T, 2> dresidual, View<T, 1> dweight,
                                  View<T, 1> dbias) {
  const std::int64_t n = x.extent(1);
  sum_over_pieces(x.extent(0), n, dweight, dbias, [&](std::int64_t begin, std::int64_t end, auto* dw, auto* db) {
    ResidualRow<T> row(n);
    simd_for<T>([&]<class V>(V) {
      const V scale(accumulator_t<T>(1 / (1 - dropout.p)));
      for (std::int64_t r = begin; r < end; ++r) {
        row.template fill<V>(x.row(r), residual.row(r), dropout, r);
        layer_norm_backward_row<V>(dy.row(r), row.sum.data(), weight.data, mean[r], rstd[r], n, dx.row(r), dw, db);
        if (dropout.p == 0) continue;
        for_each_vector<V>(n, [&](std::int64_t i, int count) QUERN_INLINE_LAMBDA {
          const V keep = V::load(row.stays + i, count);
          drop(V::load(dx.row(r) + i, count), keep, scale).store(dresidual.row(r) + i, count);
        });
      }
    });
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
