/// What is done to gradients before a step: clipping (Pascanu, Mikolov & Bengio 2013) and scaling. Of a row-sparse
/// gradient only the listed rows are visited; the result has the bits that a dense one would have.
///
///   const double norm = clip_global_norm(grads, 1.0);       // the norm before
///   clip_value(grads, 0.5);                                 // every element into [-0.5, 0.5]
///   scale_gradients(grads, 1.0 / 4);                        // the mean of four backward passes
///
/// Gradient accumulation needs nothing else, as backward adds: a batch in k equal parts is k passes and one step.
///
///   for (const Batch& part : parts) {
///     Tape tape;
///     tape.backward(cross_entropy(tape.watch(model, grads)(part), part.labels));
///   }
///   scale_gradients(grads, 1.0 / parts.size());
///   adam.step(model, grads);
#pragma once
#include <cmath>

#include <quern/cpu/sgd.hpp>
#include <quern/tensor/accumulate.hpp>
#include <quern/tensor/walk.hpp>

namespace quern::inline QUERN_ABI {

namespace detail {
/// Calls f(elements, count) for the parts of all gradients that may be non-zero.
template <class M>
void touched_parts(M& grads, auto&& f) {
  walk_tensors(
      [&](const Path&, auto& g) {
        notice_hand_written(g);
        if (!is_row_sparse(g)) return f(g.data(), g.size());
        const auto rows = g.rows();
        for (auto r : g.storage()->touched->rows) f(rows.row(r), rows.extent(1));
      },
      grads);
}
}  // namespace detail

/// √ of the sum of squares of all gradients.
template <class M>
double global_norm(M& grads) {
  double sum = 0;
  walk_tensors(
      [&](const Path&, auto& g) {
        notice_hand_written(g);
        sum += cpu::sum_of_squares(std::as_const(g).rows(), touched_rows(g));
      },
      grads);
  return std::sqrt(sum);
}

/// Multiplies all gradients by `factor`.
template <class M>
void scale_gradients(M& grads, double factor) {
  detail::touched_parts(grads, [&](auto* x, std::int64_t n) { cpu::scale(x, n, factor); });
}

/// Scales all gradients down so that their common norm is at most `largest`; gives the norm before. A norm that is not
/// finite is given back and nothing is scaled. (PyTorch's clip_grad_norm_ divides by norm + 1e-6 instead of the norm.)
template <class M>
double clip_global_norm(M& grads, double largest) {
  require(largest > 0, "clip_global_norm: expected a positive norm, got ", largest);
  const double norm = global_norm(grads);
  if (norm > largest && std::isfinite(norm)) scale_gradients(grads, largest / norm);
  return norm;
}

/// Every element into [-largest, largest]; NaN stays.
template <class M>
void clip_value(M& grads, double largest) {
  require(largest > 0, "clip_value: expected a positive bound, got ", largest);
  detail::touched_parts(grads, [&](auto* x, std::int64_t n) { cpu::clamp(x, n, largest); });
}

}  // namespace quern::inline QUERN_ABI
