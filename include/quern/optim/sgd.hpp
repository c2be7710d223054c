/// Stochastic gradient descent (Robbins & Monro 1951), plain and with momentum (Polyak 1964; Nesterov 1983), as in
/// PyTorch.
///
///   w = w - rate · (g + λ w)                       Sgd; λ: weight decay (L2)
///   u = μ u + (1 - dampening) (g + λ w),  at the first step u = g + λ w
///   w = w - rate · u,  with Nesterov  w = w - rate · (g + λ w + μ u)
///
///   Sgd sgd{.rate = 0.1};                          // no state
///   Momentum sgd(model, {.rate = 0.1, .momentum = 0.9, .nesterov = true});
///   sgd.step(model, grads);                        // and zeroes grads
///
/// A row-sparse gradient steps as a dense one does, bit for bit: the velocity moves rows no text touched, too.
#pragma once
#include <quern/cpu/sgd.hpp>
#include <quern/cuda/sgd.hpp>
#include <quern/optim/listed.hpp>
#include <quern/tensor/accumulate.hpp>
#include <quern/tensor/walk.hpp>

namespace quern::inline QUERN_ABI {

struct Sgd {
  double rate = 1e-2;
  double weight_decay = 0;

  /// One step with `grads`, which is zero afterwards. Without decay, rows no text touched are not visited.
  template <class M, class Rule = TrainAll>
  void step(M& model, M& grads, const Rule& rule = {}) const {
    detail::Listed<cuda::SgdParameter> listed;
    walk_tensors(
        [&](const Path& path, auto& w, auto& g) {
          const ParameterOptions p = options_of(rule, path);
          if (!p.train || w.size() == 0) return;
          require(g.shape() == w.shape(), "sgd: ", path, " is ", w.shape(), ", its gradient ", g.shape(),
                  "; make grads with zeros_like(model)");
          const double r = rate * p.rate, l2 = weight_decay * p.decay;
          using T = typename std::remove_cvref_t<decltype(w)>::Element;
          if (detail::on_gpu("sgd", w, g)) {
            if constexpr (has_kernels<T>)
              return listed.add(cuda::SgdParameter<T>{w.data(), g.data(), nullptr, hand_over_marks(g), w.size(),
                                                      w.rows().extent(1), r, l2});
          }
          notice_hand_written(g);
          if (is_row_sparse(g) && l2 == 0) {
            const auto width = w.rows().extent(1);
            for (auto row : g.storage()->touched->rows) cpu::sgd(w.rows().row(row), g.rows().row(row), width, r, 0);
          } else {
            cpu::sgd(w.data(), g.data(), w.size(), r, l2);
          }
          zero(g);
        },
        model, grads);
    listed.each([&](const auto* list, std::int64_t n) { cuda::sgd(list, n); });
  }
};

struct MomentumOptions {
  double rate = 1e-2, momentum = 0.9, dampening = 0;
  double weight_decay = 0;  // L2
  bool nesterov = false;    // asks for no dampening
};

template <class M>
struct Momentum {
  MomentumOptions options;
  std::int64_t steps = 0;
  M velocity;  // empty where the rule does not train

  template <class Rule = TrainAll>
  explicit Momentum(const M& model, const MomentumOptions& o = {}, const Rule& rule = {})
      : options(o), velocity(zeros_like(model, rule)) {
    require(o.rate >= 0 && o.momentum >= 0 && o.weight_decay >= 0, "momentum: rate ", o.rate, ", momentum ", o.momentum,
            ", weight_decay ", o.weight_decay, "; expected at least 0");
    require(!o.nesterov || (o.momentum > 0 && o.dampening == 0), "momentum: nesterov with momentum ", o.momentum,
            " and dampening ", o.dampening, "; it asks for a momentum above 0 and no dampening");
  }

  static void visit(auto&& f, auto&... s) { f("steps", s.steps...), f("velocity", s.velocity...); }

  /// One step with `grads`, which is zero afterwards. The rule is the one given to watch.
  template <class Rule = TrainAll>
  void step(M& model, M& grads, const Rule& rule = {}) {
    const double rest = ++steps == 1 ? 1 : 1 - options.dampening;
    detail::Listed<cuda::SgdParameter> listed;
    walk_tensors(
        [&](const Path& path, auto& w, auto& g, auto& u) {
          const ParameterOptions p = options_of(rule, path);
          if (!p.train || w.size() == 0) return;
          require(g.shape() == w.shape() && u.shape() == w.shape(), "momentum: ", path, " is ", w.shape(),
                  ", its gradient ", g.shape(), ", its velocity ", u.shape(), "; make grads with zeros_like(model)");
          using T = typename std::remove_cvref_t<decltype(w)>::Element;
          if (detail::on_gpu("momentum", w, g, u)) {
            if constexpr (has_kernels<T>)
              return listed.add(cuda::SgdParameter<T>{w.data(), g.data(), u.data(), hand_over_marks(g), w.size(),
                                                      w.rows().extent(1), options.rate * p.rate,
                                                      options.weight_decay * p.decay});
          }
          notice_hand_written(g);
          cpu::sgd_momentum(
              w.rows(), std::as_const(g).rows(), touched_rows(g), u.data(),
              {options.rate * p.rate, options.momentum, rest, options.weight_decay * p.decay, options.nesterov});
          zero(g);
        },
        model, grads, velocity);
    listed.each([&](const auto* list, std::int64_t n) {
      cuda::sgd_momentum(list, n, {options.momentum, rest, options.nesterov});
    });
  }
};

template <class M, class... Rest>
Momentum(const M&, Rest...) -> Momentum<M>;

}  // namespace quern::inline QUERN_ABI
