/// Stochastic gradient descent (Robbins & Monro 1951).
///
///   w = w - rate · (g + λ w)            λ: weight decay (L2)
///
///   Sgd sgd{.rate = 0.1};
///   sgd.step(model, grads);             // and zeroes grads
#pragma once
#include <quern/cpu/sgd.hpp>
#include <quern/tensor/accumulate.hpp>
#include <quern/tensor/walk.hpp>

namespace quern::inline QUERN_ABI {

struct Sgd {
  double rate = 1e-2;
  double weight_decay = 0;

  /// One step with `grads`, which is zero afterwards. Without decay, rows no text touched are not visited.
  template <class M, class Rule = TrainAll>
  void step(M& model, M& grads, const Rule& rule = {}) const {
    walk_tensors(
        [&](const Path& path, auto& w, auto& g) {
          const ParameterOptions p = options_of(rule, path);
          if (!p.train || w.size() == 0) return;
          require(g.shape() == w.shape(), "sgd: ", path, " is ", w.shape(), ", its gradient ", g.shape(),
                  "; make grads with zeros_like(model)");
          notice_hand_written(g);
          const double r = rate * p.rate, shrink = 1 - r * weight_decay * p.decay;
          if (is_row_sparse(g) && shrink == 1) {
            const auto width = w.rows().extent(1);
            for (auto row : g.storage()->touched->rows) cpu::sgd(w.rows().row(row), g.rows().row(row), width, r, 1);
          } else {
            cpu::sgd(w.data(), g.data(), w.size(), r, shrink);
          }
          zero(g);
        },
        model, grads);
  }
};

}  // namespace quern::inline QUERN_ABI
