/// Averages of a model's weights over the steps of a training: often better than the last weights, and never trained
/// themselves. Both are values of the model's own struct, and can be used, saved and evaluated as it is.
///
///   MovingAverage ema(model, {.decay = 0.999});       // exponential: a = decay · a + (1 - decay) · w
///   EqualAverage swa(model);                          // of equal parts (Izmailov et al. 2018)
///   adam.step(model, grads), ema.update(model);       // then ema.average(batch)
///
/// As in torch.optim.swa_utils, the first update takes the weights as they are.
#pragma once
#include <algorithm>

#include <quern/cpu/sgd.hpp>
#include <quern/cuda/sgd.hpp>
#include <quern/optim/listed.hpp>
#include <quern/tensor/walk.hpp>

namespace quern::inline QUERN_ABI {

namespace detail {
/// average += weight · (model - average); exactly the model where the weight is 1.
template <class M>
void average_towards(M& average, const M& model, double weight) {
  Listed<cuda::AveragedParameter> listed;
  walk_tensors(
      [&](const Path& path, auto& a, const auto& w) {
        require(a.shape() == w.shape(), "average: ", path, " is ", w.shape(), " in the model, ", a.shape(),
                " in the average; make a new average");
        using T = typename std::remove_cvref_t<decltype(w)>::Element;
        if (w.size() == 0) return;
        if (weight == 1) return copy_bytes(a.data(), a.device(), w.data(), w.device(), w.bytes());
        if (on_gpu("average", a, w)) {
          if constexpr (has_kernels<T>) return listed.add(cuda::AveragedParameter<T>{a.data(), w.data(), w.size()});
        }
        cpu::move_towards(a.data(), w.data(), w.size(), weight);
      },
      average, model);
  listed.each([&](const auto* list, std::int64_t n) { cuda::move_towards(list, n, weight); });
}
}  // namespace detail

struct MovingAverageOptions {
  double decay = 0.999;
  bool warm_up = false;  // after n updates the decay is at most (1 + n) / (10 + n), as in TensorFlow's
};

template <class M>
struct MovingAverage {
  MovingAverageOptions options;
  std::int64_t updates = 0;
  M average;

  explicit MovingAverage(const M& model, const MovingAverageOptions& o = {}) : options(o), average(model) {
    require(o.decay >= 0 && o.decay <= 1, "moving average: decay ", o.decay, " is not in [0, 1]");
  }

  static void visit(auto&& f, auto&... a) { f("updates", a.updates...), f("average", a.average...); }

  void update(const M& model) {
    const double n = double(updates++), early = (1 + n) / (10 + n);
    const double decay = options.warm_up ? std::min(options.decay, early) : options.decay;
    detail::average_towards(average, model, n == 0 ? 1 : 1 - decay);
  }
};

template <class M>
struct EqualAverage {
  std::int64_t updates = 0;
  M average;

  explicit EqualAverage(const M& model) : average(model) {}

  static void visit(auto&& f, auto&... a) { f("updates", a.updates...), f("average", a.average...); }

  void update(const M& model) { detail::average_towards(average, model, 1 / double(++updates)); }
};

template <class M, class... Rest>
MovingAverage(const M&, Rest...) -> MovingAverage<M>;
template <class M>
EqualAverage(const M&) -> EqualAverage<M>;

}  // namespace quern::inline QUERN_ABI
