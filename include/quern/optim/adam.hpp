/// Adam (Kingma & Ba 2015), AdamW (Loshchilov & Hutter 2019) and AMSGrad (Reddi, Kale & Kumar 2018), as in PyTorch.
///
///   m = β1 m + (1-β1) g,  v = β2 v + (1-β2) g²
///   w = w - rate · (m / (1-β1ᵗ)) / (√(v / (1-β2ᵗ)) + ε)         after t steps
///   weight decay λ:  Adam adds λ w to g (L2);  AdamW multiplies w by 1 - rate · λ instead
///   AMSGrad: the largest v so far in place of v
///
///   Adam adam(model, {.rate = 1e-3});
///   adam.step(model, grads);                     // and zeroes grads
///
/// The moments are values of the model's own struct. Rows of an embedding that no text of the batch touched have a zero
/// gradient: they are stepped like all others, bit for bit, but their gradient is neither read nor cleared. Moments too
/// small to move a weight fade to zero (cpu/moments.hpp), and where epsilon is 0, 0 / 0 is no step.
#pragma once
#include <cmath>
#include <optional>

#include <quern/cpu/adam.hpp>
#include <quern/cuda/adam.hpp>
#include <quern/optim/listed.hpp>
#include <quern/tensor/accumulate.hpp>
#include <quern/tensor/walk.hpp>

namespace quern::inline QUERN_ABI {

struct AdamOptions {
  double rate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 0;
  bool decoupled = false;  // true: AdamW
  bool amsgrad = false;    // to be set when the Adam is made
};

template <class M>
struct Adam {
  AdamOptions options;
  std::int64_t steps = 0;
  M first, second;           // moments; empty where the rule does not train
  std::optional<M> largest;  // of AMSGrad: the largest second moments so far, before their bias correction

  template <class Rule = TrainAll>
  [[gnu::cold]] explicit Adam(const M& model, const AdamOptions& o = {}, const Rule& rule = {})
      : options(o), first(zeros_like(model, rule)), second(zeros_like(model, rule)) {
    if (o.amsgrad) largest = second;
    require(o.rate >= 0 && o.beta1 >= 0 && o.beta1 < 1 && o.beta2 >= 0 && o.beta2 < 1 && o.epsilon >= 0 &&
                o.weight_decay >= 0,
            "adam: rate ", o.rate, ", beta1 ", o.beta1, ", beta2 ", o.beta2, ", epsilon ", o.epsilon, ", weight_decay ",
            o.weight_decay, "; rates, epsilon and decay must be at least 0, betas in [0, 1)");
  }

  static void visit(auto&& f, auto&... a) {
    f("steps", a.steps...), f("first", a.first...), f("second", a.second...), f("largest", a.largest...);
  }

  /// One step with `grads`, which is zero afterwards. The rule is the one given to watch.
  template <class Rule = TrainAll>
  void step(M& model, M& grads, const Rule& rule = {}) {
    ++steps;
    M& tops = largest ? *largest : second;
    detail::Listed<cuda::AdamParameter> listed;
    walk_tensors(
        [&](const Path& path, auto& w, auto& g, auto& m, auto& v, auto& top) {
          const ParameterOptions p = options_of(rule, path);
          if (!p.train || w.size() == 0) return;
          detail::require_fitting("adam", path, w.shape(), g.shape(), m.shape(),
                                  g.size() == w.size() && m.size() == w.size());
          if (detail::on_gpu("adam", w, g, m, v)) {
            if constexpr (has_kernels<typename std::remove_cvref_t<decltype(w)>::Element>)
              return listed.add(listed_parameter(p, w, g, m, v, top));
          }
          notice_hand_written(g);
          cpu::adam(w.rows(), std::as_const(g).rows(), touched_rows(g), m.data(), v.data(),
                    largest ? top.data() : nullptr, step_of(p));
          zero(g);
        },
        model, grads, first, second, tops);
    const cpu::AdamStep s = step_of({});
    listed.each([&](const auto* list, std::int64_t n) { cuda::adam(list, n, {s.beta1, s.beta2, s.epsilon}); });
  }

 private:
  template <class T, int Rank>
  cuda::AdamParameter<T> listed_parameter(const ParameterOptions& p, Tensor<T, Rank>& w, Tensor<T, Rank>& g,
                                          Tensor<T, Rank>& m, Tensor<T, Rank>& v, Tensor<T, Rank>& top) const {
    const cpu::AdamStep s = step_of(p);
    return {
        w.data(),           g.data(), m.data(), v.data(), largest ? top.data() : nullptr, hand_over_marks(g), w.size(),
        w.rows().extent(1), s.rate,   s.l2,     s.decay};
  }

  /// The numbers of this step for one parameter. Both bias corrections are folded into the rate and epsilon.
  [[gnu::noinline]] cpu::AdamStep step_of(const ParameterOptions& p) const {
    const double correct1 = 1 - std::pow(options.beta1, double(steps));
    const double correct2 = std::sqrt(1 - std::pow(options.beta2, double(steps)));
    const double rate = options.rate * p.rate, decay = options.weight_decay * p.decay;
    return {rate * correct2 / correct1,
            options.beta1,
            options.beta2,
            options.epsilon * correct2,
            options.decoupled ? 0 : decay,
            options.decoupled ? rate * decay : 0};
  }
};

template <class M, class... Rest>
Adam(const M&, Rest...) -> Adam<M>;

}  // namespace quern::inline QUERN_ABI
