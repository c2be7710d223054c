/// Attacks on word vectors, and how good a model is under them. For every text the rows e [n, E] of its word vectors
/// are moved by r, ‖r‖₂ ≤ epsilon over all of them together, so that the loss of its label rises:
///
///   fgm   r = epsilon · g / ‖g‖,  g = ∂loss/∂e                          Miyato, Dai & Goodfellow (2017), equation 4
///   pgd   r ← Π(r + a · g / ‖g‖), g = ∂loss/∂(e + r), `steps` times     Madry et al. (2018); from r = 0, Π: into the
///   ball
///
///   Metrics m = evaluate_under_attack(model, texts, split.held, 2, {.kind = AttackKind::pgd, .epsilon = 0.5});
///   TrainOptions options{.attack = {.kind = AttackKind::fgm, .epsilon = 0.5}};      // train against it
///
/// The vectors of a text are moved, as in the paper, not the rows of the table: a word that stands in two texts may
/// move differently in each. Needs a model in two parts, `embedded(batch)` and `logits(vectors)`. Vectors are not
/// normalised, so epsilon is measured in the units of the table.
#pragma once
#include <cmath>
#include <cstdint>
#include <span>

#include <quern/autograd/tape.hpp>
#include <quern/cuda/ascend.hpp>
#include <quern/loss/cross_entropy.hpp>
#include <quern/train/evaluate.hpp>
#include <quern/train/options.hpp>

namespace quern::inline QUERN_ABI {

/// A model whose word vectors can be reached between its two parts.
template <class M>
concept HasWordVectors = requires(const M& model, const Batch& batch) {
  model.logits(model.embedded(batch));
};

/// Where the attack on a batch stands.
template <class T>
struct Perturbation {
  Tensor<T, 2> r;         // [N, E]; without memory before the first step
  Tensor<T, 2> gradient;  // [N, E], of the loss at e + r, once the tape was walked
};

/// The rule that trains nothing: the gradient of the word vectors alone is wanted.
struct TrainNone {
  ParameterOptions operator()(const std::string&) const { return {.train = false}; }
};

inline void check_attack(const Attack& attack) {
  if (attack.kind == AttackKind::none) return;
  require(attack.epsilon > 0 && std::isfinite(attack.epsilon), "attack: expected an epsilon above 0, got ",
          attack.epsilon);
  require(attack.steps >= 1 && attack.step_size >= 0 && std::isfinite(attack.step_size),
          "attack: expected at least 1 step, got ", attack.steps, ", of a size of at least 0, got ", attack.step_size);
}

/// The vectors at e + r. Walking the tape back leaves their gradient in `p`, which must outlive the tape.
template <class T>
Packed<Recorded<T>> perturbed(Tape& tape, const Packed<Recorded<T>>& e, Perturbation<T>& p) {
  Tensor<T, 2> moved = p.r.storage() ? e.rows.value() : e.rows.value().share();  // a copy, if it is to be changed
  if (p.r.storage()) accumulate(moved, p.r);
  if (!wants_gradient(e.rows)) {  // of a table that is not trained: watched by themselves
    p.gradient = Tensor<T, 2>(moved.shape(), moved.device());
    return {tape.watch(moved, p.gradient), e.offsets};
  }
  auto backward = [x = e.rows, &p](Tape& t, const Tensor<T, 2>& dy) {
    p.gradient = dy.share();
    t.add(x, dy.share());
  };
  return {Tape::record("perturbed", moved, std::move(backward), e.rows), e.offsets};
}

namespace detail {
template <class T>
double norm(const T* x, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += double(x[i]) * double(x[i]);
  return std::sqrt(sum);
}

/// One text, n elements: r ← Π(r + step · g / ‖g‖). A text without a gradient stays where it is.
template <class T>
void ascend_text(T* r, const T* g, std::int64_t n, double step, double epsilon) {
  const double slope = norm(g, n);
  if (!(slope > 0) || !std::isfinite(slope)) return;
  for (std::int64_t i = 0; i < n; ++i) r[i] = T(double(r[i]) + double(g[i]) * (step / slope));
  const double length = norm(r, n);
  if (length > epsilon)
    for (std::int64_t i = 0; i < n; ++i) r[i] = T(double(r[i]) * (epsilon / length));
}
}  // namespace detail

/// One step up for each text of a batch. A text belongs to one thread: the same bits for any number of them.
template <class T>
void ascend(Perturbation<T>& p, const Offsets& offsets, const Attack& attack) {
  const Device device = common_device("attack", p.gradient, offsets);
  if (!p.r.storage()) p.r = Tensor<T, 2>(p.gradient.shape(), device);
  const std::int64_t width = p.r.extent(1);
  const double step = attack.length_of_step();
  if constexpr (has_kernels<T>) {
    if (device.is_cuda())
      return cuda::ascend(p.r.view(), std::as_const(p.gradient).view(), offsets.view(), step, attack.epsilon);
  }
  parallel_for(offsets.size() - 1, 8, [&](std::int64_t begin, std::int64_t end) {
    for (auto b = begin; b < end; ++b)
      detail::ascend_text(p.r.data() + offsets(b) * width, p.gradient.data() + offsets(b) * width,
                          (offsets(b + 1) - offsets(b)) * width, step, attack.epsilon);
  });
}

/// The word vectors of a batch, rows [N, E], moved against its labels. Dropout does nothing.
template <template <class> class M, class T>
Packed<T> attacked(const M<T>& model, const Batch& batch, const Attack& attack) {
  check_attack(attack);
  Perturbation<T> p;
  M<T> no_gradients;
  for (std::int64_t k = 0; k < attack.steps_taken(); ++k) {
    Tape tape;
    const auto recorded = tape.watch(model, no_gradients, TrainNone{});
    tape.backward(cross_entropy(recorded.logits(perturbed(tape, recorded.embedded(batch), p)), batch.labels));
    ascend(p, batch.offsets, attack);
  }
  auto e = model.embedded(batch);
  if (p.r.storage()) accumulate(e.rows, p.r);
  return e;
}

/// How well `model` still finds the labels of the examples `indices` when each text is attacked.
template <template <class> class M, class T>
Metrics evaluate_under_attack(const M<T>& model, const Encoded& texts, std::span<const std::int64_t> indices,
                              std::int64_t classes, const Attack& attack) {
  require(!texts.labels.empty() || indices.empty(), "evaluate_under_attack: the texts have no labels");
  MetricsCounter counter(classes);
  BatchStage stage(device_of(model));
  for (const Batch& batch : Batches(texts, plan_for_evaluation(texts, indices), 0)) {
    const auto p = softmax(model.logits(attacked(model, stage(batch), attack)));
    counter.add(batch.labels.span(), p.to(Device::cpu()));
  }
  return counter.result();
}
template <template <class> class M, class T>
Metrics evaluate_under_attack(const M<T>& model, const Encoded& texts, std::int64_t classes, const Attack& attack) {
  return evaluate_under_attack(model, texts, detail::all_of(texts), classes, attack);
}

}  // namespace quern::inline QUERN_ABI
