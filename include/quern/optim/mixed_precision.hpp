/// Training in bf16 with weights kept in float (Micikevicius et al. 2018). A step changes a weight by less than bf16
/// can show, so a float model is stepped, and a bf16 copy of it computes. bf16 has the range of float: losses need no
/// scale.
///
///   MixedPrecision mixed(model);                                     // model: M<float>, as are grads and adam
///   tape.backward(cross_entropy(tape.watch(mixed.working(), mixed.gradients())(batch), batch.labels));
///   mixed.step(adam, model, grads);                                  // and zeroes both gradients
///
/// To clip, or to sum the gradients of several batches in float, call `collect(grads)` after each backward.
#pragma once
#include <vector>

#include <quern/cpu/convert.hpp>
#include <quern/cuda/convert.hpp>
#include <quern/optim/sgd.hpp>

namespace quern::inline QUERN_ABI {

namespace detail {
/// Whether a step leaves the rows that a row-sparse gradient does not list as they are. Adam, for one, moves them.
template <class Optimizer>
bool steps_listed_rows_alone(const Optimizer&) {
  return false;
}
inline bool steps_listed_rows_alone(const Sgd& sgd) { return sgd.weight_decay == 0; }

/// The rows of one parameter that a step changes.
struct ChangedRows {
  bool all = true;
  std::vector<std::int32_t> rows;
};
}  // namespace detail

template <template <class> class M>
class MixedPrecision {
 public:
  /// The rule is the one given to watch, zeros_like and step.
  template <class Rule = TrainAll>
  explicit MixedPrecision(const M<float>& model, const Rule& rule = {})
      : working_(cast<bf16>(model)), gradients_(zeros_like(working_, rule)) {}

  /// The model that computes, and where its gradients are added: both go to `Tape::watch`.
  const M<bf16>& working() const { return working_; }
  M<bf16>& gradients() { return gradients_; }

  /// grads += the bf16 gradients, which are zero afterwards. Lists of touched rows are kept.
  void collect(M<float>& grads) {
    std::vector<cuda::MixedParameter> listed;
    walk_tensors([&](const Path& path, auto& low, auto& g) { collect_one(path, low, g, listed); }, gradients_, grads);
    if constexpr (has_cuda) cuda::collect(listed.data(), std::int64_t(listed.size()));
  }

  /// Collects into `grads`, steps `model` with any optimizer, and brings the working copy up to date.
  template <class Optimizer, class Rule = TrainAll>
  void step(Optimizer& optimizer, M<float>& model, M<float>& grads, const Rule& rule = {}) {
    collect(grads);
    std::vector<detail::ChangedRows> changed;
    const bool listed_alone = detail::steps_listed_rows_alone(optimizer);
    walk_tensors(
        [&](const Path&, auto& g) {
          notice_hand_written(g);
          // On a GPU the list is a row of marks, which the step clears: there all is converted.
          const bool all = !listed_alone || !is_row_sparse(g) || g.device().is_cuda();
          changed.push_back(all ? detail::ChangedRows{} : detail::ChangedRows{false, g.storage()->touched->rows});
        },
        grads);
    optimizer.step(model, grads, rule);
    auto next = changed.begin();
    refresh(model, [&] { return *next++; });
  }

  /// The working copy anew: for a model that something else than `step` has changed.
  void refresh(const M<float>& model) {
    refresh(model, [] { return detail::ChangedRows{}; });
  }

 private:
  /// `changed()` gives the changed rows of one parameter after another.
  void refresh(const M<float>& model, auto&& changed) {
    std::vector<cuda::MixedParameter> listed;
    walk_tensors([&](const Path& path, const auto& w, auto& low) { refresh_one(path, w, low, changed(), listed); },
                 model, working_);
    if constexpr (has_cuda) cuda::refresh(listed.data(), std::int64_t(listed.size()));
  }

  template <int Rank>
  static void collect_one(const Path& path, Tensor<bf16, Rank>& low, Tensor<float, Rank>& g,
                          std::vector<cuda::MixedParameter>& listed) {
    require(low.shape() == g.shape() && low.size() == g.size(), "mixed_precision: the gradient of ", path, " is ",
            low.shape(), " in bf16, ", g.shape(), " in float; make grads with zeros_like(model) and the same rule");
    if (!low.storage()) return;
    if (detail::on_gpu("mixed_precision", g, low)) {
      if (low.size() == 0) return;
      if (!is_row_sparse(low) && g.storage()->touched) g.storage()->touched->all = true;
      return listed.push_back(
          {g.data(), low.data(), row_marks(g), hand_over_marks(low), low.size(), low.rows().extent(1)});
    }
    notice_hand_written(low);
    if (is_row_sparse(low)) {
      const auto from = low.rows();
      auto to = g.share(Shape<2>{from.extent(0), from.extent(1)});  // the same memory and list
      for (auto row : low.storage()->touched->rows) {
        touch_row(to, row);
        cpu::add_converted(from.row(row), to.view().row(row), from.extent(1));
      }
    } else {
      cpu::add_converted(low.data(), g.data(), g.size());
      if (g.storage()->touched) g.storage()->touched->all = true;
    }
    zero(low);
  }

  template <int Rank>
  static void refresh_one(const Path& path, const Tensor<float, Rank>& w, Tensor<bf16, Rank>& low,
                          const detail::ChangedRows& changed, std::vector<cuda::MixedParameter>& listed) {
    require(w.shape() == low.shape(), "mixed_precision: ", path, " is ", w.shape(), ", its working copy ", low.shape());
    if (detail::on_gpu("mixed_precision", w, low)) {
      if (w.size() > 0)
        listed.push_back({const_cast<float*>(w.data()), low.data(), nullptr, nullptr, w.size(), w.rows().extent(1)});
      return;
    }
    const auto from = w.rows();
    if (changed.all) return cpu::convert(w.data(), low.data(), w.size());
    for (auto row : changed.rows) cpu::convert(from.row(row), low.rows().row(row), from.extent(1));
  }

  M<bf16> working_, gradients_;
};

}  // namespace quern::inline QUERN_ABI
