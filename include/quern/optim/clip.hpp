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
#include <quern/cuda/sgd.hpp>
#include <quern/optim/listed.hpp>
#include <quern/tensor/accumulate.hpp>
#include <quern/tensor/walk.hpp>

namespace quern::inline QUERN_ABI {

namespace detail {
using ListedGradients = Listed<cuda::ListedGradient>;

/// Those gradients that are on a GPU; f(gradient) for each that is not.
template <class M>
ListedGradients listed_gradients(const char* op, M& grads, auto&& f) {
  ListedGradients listed;
  walk_tensors(
      [&](const Path&, auto& g) {
        using T = typename std::remove_cvref_t<decltype(g)>::Element;
        if (g.size() == 0) return;
        if (on_gpu(op, g)) {
          if constexpr (has_kernels<T>)
            return listed.add(cuda::ListedGradient<T>{g.data(), touched_rows(g), g.size(), g.rows().extent(1)});
        }
        notice_hand_written(g);
        f(g);
      },
      grads);
  return listed;
}

/// Calls f(elements, count) for the parts of all gradients that may be non-zero; gives those on a GPU.
template <class M>
ListedGradients touched_parts(const char* op, M& grads, auto&& f) {
  return listed_gradients(op, grads, [&](auto& g) {
    if (!is_row_sparse(g)) return f(g.data(), g.size());
    const auto rows = g.rows();
    for (auto r : g.storage()->touched->rows) f(rows.row(r), rows.extent(1));
  });
}
}  // namespace detail

/// √ of the sum of squares of all gradients. Of gradients on a GPU it waits for the result.
template <class M>
double global_norm(M& grads) {
  double sum = 0;
  const auto listed = detail::listed_gradients(
      "global_norm", grads, [&](auto& g) { sum += cpu::sum_of_squares(std::as_const(g).rows(), touched_rows(g)); });
  double norm = std::sqrt(sum);
  listed.each([&](const auto* list, std::int64_t n) {
    const double of_list = cuda::global_norm(list, n);
    norm = norm == 0 ? of_list : std::hypot(norm, of_list);
  });
  return norm;
}

/// Multiplies all gradients by `factor`.
template <class M>
void scale_gradients(M& grads, double factor) {
  detail::touched_parts("scale_gradients", grads, [&](auto* x, std::int64_t n) {
    cpu::scale(x, n, factor);
  }).each([&](const auto* list, std::int64_t n) { cuda::scale(list, n, factor); });
}

/// Scales all gradients down so that their common norm is at most `largest`; gives the norm before. A norm that is not
/// finite is given back and nothing is scaled. (PyTorch's clip_grad_norm_ divides by norm + 1e-6 instead of the norm.)
template <class M>
double clip_global_norm(M& grads, double largest) {
  require(largest > 0, "clip_global_norm: expected a positive norm, got ", largest);
  double norm = 0;
  bool elsewhere = false;
  const auto listed = detail::listed_gradients("clip_global_norm", grads, [&](auto&) { elsewhere = true; });
  if (!elsewhere && !listed.mixed()) {  // the GPU scales by itself, and is asked for the norm afterwards
    listed.each([&](const auto* list, std::int64_t n) { norm = cuda::clip_global_norm(list, n, largest); });
    return norm;
  }
  norm = global_norm(grads);
  if (norm > largest && std::isfinite(norm)) scale_gradients(grads, largest / norm);
  return norm;
}

/// Every element into [-largest, largest]; NaN stays.
template <class M>
void clip_value(M& grads, double largest) {
  require(largest > 0, "clip_value: expected a positive bound, got ", largest);
  detail::touched_parts("clip_value", grads, [&](auto* x, std::int64_t n) {
    cpu::clamp(x, n, largest);
  }).each([&](const auto* list, std::int64_t n) { cuda::clamp(list, n, largest); });
}

}  // namespace quern::inline QUERN_ABI
