/// LAMB: Adam's direction, in every parameter as long as the parameter itself (You, Li, Reddi, Hseu, Kumar,
/// Bhojanapalli, Song, Demmel, Keutzer & Hsieh 2020, Algorithm 2). For training with very large batches.
///
///   m = β1 m + (1-β1) g,  v = β2 v + (1-β2) g²
///   u = (m / (1-β1ᵗ)) / (√(v / (1-β2ᵗ)) + ε) + λ w
///   w = w - rate · (‖w‖ / ‖u‖) · u                  after t steps; the ratio is 1 where a norm is 0
///
///   Lamb lamb(model, {.rate = 2e-3, .weight_decay = 0.01});
///   lamb.step(model, grads);                         // and zeroes grads
///
/// The variant: with bias correction; the paper's φ is the identity (norms are not clipped); the gradient is not
/// normalised beforehand; a layer is one parameter, and all parameters are adapted, biases too. A row-sparse gradient
/// steps as a dense one does, bit for bit. Moments too small to move a weight fade to zero (cpu/moments.hpp).
#pragma once
#include <cmath>

#include <quern/cpu/lamb.hpp>
#include <quern/cuda/lamb.hpp>
#include <quern/optim/listed.hpp>
#include <quern/tensor/accumulate.hpp>
#include <quern/tensor/walk.hpp>

namespace quern::inline QUERN_ABI {

struct LambOptions {
  double rate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-6;
  double weight_decay = 0;
};

template <class M>
struct Lamb {
  LambOptions options;
  std::int64_t steps = 0;
  M first, second;  // moments; empty where the rule does not train

  template <class Rule = TrainAll>
  explicit Lamb(const M& model, const LambOptions& o = {}, const Rule& rule = {})
      : options(o), first(zeros_like(model, rule)), second(zeros_like(model, rule)) {
    require(o.rate >= 0 && o.beta1 >= 0 && o.beta1 < 1 && o.beta2 >= 0 && o.beta2 < 1 && o.epsilon >= 0 &&
                o.weight_decay >= 0,
            "lamb: rate ", o.rate, ", beta1 ", o.beta1, ", beta2 ", o.beta2, ", epsilon ", o.epsilon, ", weight_decay ",
            o.weight_decay, "; rates, epsilon and decay must be at least 0, betas in [0, 1)");
  }

  static void visit(auto&& f, auto&... l) { f("steps", l.steps...), f("first", l.first...), f("second", l.second...); }

  /// One step with `grads`, which is zero afterwards. The rule is the one given to watch.
  template <class Rule = TrainAll>
  void step(M& model, M& grads, const Rule& rule = {}) {
    ++steps;
    const double correct1 = 1 - std::pow(options.beta1, double(steps));
    const double correct2 = std::sqrt(1 - std::pow(options.beta2, double(steps)));
    detail::Listed<cuda::LambParameter> listed;
    walk_tensors(
        [&](const Path& path, auto& w, auto& g, auto& m, auto& v) {
          const ParameterOptions p = options_of(rule, path);
          if (!p.train || w.size() == 0) return;
          detail::require_fitting("lamb", path, w.shape(), g.shape(), m.shape(), true);
          using T = typename std::remove_cvref_t<decltype(w)>::Element;
          if (detail::on_gpu("lamb", w, g, m, v)) {
            if constexpr (has_kernels<T>)
              return listed.add(cuda::LambParameter<T>{w.data(), g.data(), m.data(), v.data(), hand_over_marks(g),
                                                       w.size(), w.rows().extent(1), options.rate * p.rate,
                                                       options.weight_decay * p.decay});
          }
          notice_hand_written(g);
          cpu::lamb(w.rows(), std::as_const(g).rows(), touched_rows(g), m.data(), v.data(),
                    {options.rate * p.rate, options.beta1, options.beta2, options.epsilon * correct2,
                     correct2 / correct1, options.weight_decay * p.decay});
          zero(g);
        },
        model, grads, first, second);
    listed.each([&](const auto* list, std::int64_t n) {
      cuda::lamb(list, n, {options.beta1, options.beta2, options.epsilon * correct2, correct2 / correct1});
    });
  }
};

template <class M, class... Rest>
Lamb(const M&, Rest...) -> Lamb<M>;

}  // namespace quern::inline QUERN_ABI
