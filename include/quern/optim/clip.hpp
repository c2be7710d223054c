/// Clipping of gradients before a step (Pascanu, Mikolov & Bengio 2013).
///
///   const double norm = clip_global_norm(grads, 1.0);       // the norm before
#pragma once
#include <cmath>

#include <quern/cpu/sgd.hpp>
#include <quern/tensor/accumulate.hpp>
#include <quern/tensor/walk.hpp>

namespace quern::inline QUERN_ABI {

namespace detail {
/// Calls f(elements, count) for the parts of a gradient that may be non-zero.
template <class T, int Rank>
void touched_parts(Tensor<T, Rank>& g, auto&& f) {
  notice_hand_written(g);
  if (!is_row_sparse(g)) return f(g.data(), g.size());
  const auto rows = g.rows();
  for (auto r : g.storage()->touched->rows) f(rows.row(r), rows.extent(1));
}
}  // namespace detail

/// √ of the sum of squares of all gradients.
template <class M>
double global_norm(M& grads) {
  double sum = 0;
  walk_tensors(
      [&](const Path&, auto& g) {
        detail::touched_parts(g, [&](auto* x, std::int64_t n) { sum += cpu::sum_of_squares(x, n); });
      },
      grads);
  return std::sqrt(sum);
}

/// Scales all gradients down so that their common norm is at most `largest`; gives the norm before. A norm that is not
/// finite is given back and nothing is scaled.
template <class M>
double clip_global_norm(M& grads, double largest) {
  require(largest > 0, "clip_global_norm: expected a positive norm, got ", largest);
  const double norm = global_norm(grads);
  if (!(norm > largest) || !std::isfinite(norm)) return norm;
  walk_tensors(
      [&](const Path&, auto& g) {
        detail::touched_parts(g, [&](auto* x, std::int64_t n) { cpu::scale(x, n, largest / norm); });
      },
      grads);
  return norm;
}

}  // namespace quern::inline QUERN_ABI
