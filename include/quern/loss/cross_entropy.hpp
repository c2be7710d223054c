/// cross_entropy: how surprised the model is by the right labels, in nats, averaged over the batch.
///
///   l(b) = (1-ε) w(y_b) (-log p(b, y_b)) + ε/C Σ_c w(c) (-log p(b, c)),   p = softmax(logits)
///   loss = Σ_b l(b) / Σ_b w(y_b)                     (class weights w, label smoothing ε: Szegedy et al. 2016)
///   dlogits(b, c) = dloss / Σ w · (Σ_k q(b, k) p(b, c) - q(b, c)),  q(b, c) = (1-ε) w(y_b) [c = y_b] + ε/C w(c)
///
///   auto loss = cross_entropy(logits, labels);       // [B, C], [B] → []
#pragma once
#include <limits>

#include <quern/autograd/tape.hpp>
#include <quern/cpu/cross_entropy.hpp>
#include <quern/cuda/cross_entropy.hpp>
#include <quern/ops/dispatch.hpp>
#include <quern/ops/embedding.hpp>

namespace quern::inline QUERN_ABI {

template <class T>
struct CrossEntropyOptions {
  Tensor<T, 1> class_weights;  // [C], or [0]: all 1
  double label_smoothing = 0;  // in [0, 1)
};
template <class T>
struct CrossEntropySaved {
  Tensor<accumulator_t<T>, 2> probabilities;  // [B, C]; for bf16 in float, where p - 1 keeps its digits
  Ids labels;
  Tensor<T, 1> class_weights;
  double label_smoothing;
  Tensor<double, 1> totals;  // on a GPU [2]: Σ_b w(y_b), Σ_c w(c); on the CPU [0], there they are added up again
};
template <class T>
struct CrossEntropyForward {
  Tensor<T, 0> loss;
  CrossEntropySaved<T> saved;
};

namespace detail {
/// Labels and weights are numbers that make sense. On a GPU the kernels look.
template <class T>
void check_cross_entropy(const Ids& labels, const Tensor<T, 1>& weights, std::int64_t classes, Caller at) {
  for (std::int64_t b = 0; b < labels.size(); ++b)
    require(labels(b) >= 0 && labels(b) < classes, "cross_entropy: label ", labels(b), " of text ", b,
            "; the logits have ", classes, " classes, so labels are 0 to ", classes - 1, " (", at, ")");
  for (std::int64_t c = 0; c < weights.size(); ++c)
    require(weights(c) >= 0 && weights(c) <= std::numeric_limits<T>::max(), "cross_entropy: the weight of class ", c,
            " is ", weights(c), "; expected a finite number of at least 0 (", at, ")");
  double total = weights.size() ? 0 : 1;
  for (std::int64_t b = 0; b < labels.size() && weights.size(); ++b) total += double(weights(labels(b)));
  require(total > 0, "cross_entropy: the classes of this batch all have weight 0, so it has no mean loss (", at, ")");
}
}  // namespace detail

template <Number T>
CrossEntropyForward<T> cross_entropy_forward(const Tensor<T, 2>& logits, const Ids& labels,
                                             const CrossEntropyOptions<T>& options = {}, Caller at = Caller::here()) {
  const std::int64_t rows = logits.extent(0), classes = logits.extent(1);
  const auto& weights = options.class_weights;
  require(rows > 0 && classes > 0, "cross_entropy: ", described("logits", logits), "; expected at least one text (", at,
          ")");
  require(labels.size() == rows, "cross_entropy: ", described("logits", logits), ", ", described("labels", labels),
          "; expected ", rows, " labels (", at, ")");
  require(weights.size() == 0 || weights.size() == classes, "cross_entropy: ", weights.size(), " class weights for ",
          classes, " classes (", at, ")");
  require(options.label_smoothing >= 0 && options.label_smoothing < 1,
          "cross_entropy: expected label smoothing in [0, 1), got ", options.label_smoothing, " (", at, ")");
  const Device device = common_device("cross_entropy", logits, labels, weights);
  if (device.is_cpu()) detail::check_cross_entropy(labels, weights, classes, at);
  CrossEntropyForward<T> f{Tensor<T, 0>::empty({}, device),
                           {Tensor<accumulator_t<T>, 2>::empty(logits.shape(), device),
                            labels.share(),
                            weights.share(),
                            options.label_smoothing,
                            {}}};
  const T* w = weights.size() ? weights.data() : nullptr;
  if constexpr (has_kernels<T>) {
    if (device.is_cuda()) {
      f.saved.totals = Tensor<double, 1>::empty({2}, device);
      cuda::cross_entropy(logits.view(), labels.view(), w, options.label_smoothing, f.saved.probabilities.view(),
                          f.saved.totals.data(), f.loss.data());
      return f;
    }
  }
  auto losses = Tensor<double, 1>::empty({rows});
  f.loss.data()[0] = T(cpu::cross_entropy(logits.view(), labels.view(), w, options.label_smoothing,
                                          f.saved.probabilities.view(), losses.view()));
  return f;
}

template <Number T>
Tensor<T, 0> cross_entropy(const Tensor<T, 2>& logits, const Ids& labels, const CrossEntropyOptions<T>& options = {},
                           Caller at = Caller::here()) {
  return cross_entropy_forward(logits, labels, options, at).loss;
}

/// dloss [] → dlogits [B, C].
template <Number T>
Tensor<T, 2> cross_entropy_backward(const Tensor<T, 0>& dloss, const CrossEntropySaved<T>& saved) {
  const Device device = saved.probabilities.device();
  auto dlogits = Tensor<T, 2>::empty(saved.probabilities.shape(), device);
  const T* w = saved.class_weights.size() ? saved.class_weights.data() : nullptr;
  if constexpr (has_kernels<T>) {
    if (device.is_cuda()) {
      cuda::cross_entropy_backward(dloss.data(), saved.probabilities.view(), saved.labels.view(), w,
                                   saved.label_smoothing, saved.totals.data(), dlogits.view());
      return dlogits;
    }
  }
  cpu::cross_entropy_backward(dloss.item(), saved.probabilities.view(), saved.labels.view(), w, saved.label_smoothing,
                              dlogits.view());
  return dlogits;
}

template <class T>
Tensor<Recorded<T>, 0> cross_entropy(const Tensor<Recorded<T>, 2>& logits, const Ids& labels,
                                     const CrossEntropyOptions<T>& options = {}, Caller at = Caller::here()) {
  auto [loss, saved] = cross_entropy_forward(logits.value(), labels, options, at);
  auto backward = [logits, saved = std::move(saved)](Tape& tape, const Tensor<T, 0>& dloss) {
    tape.add(logits, cross_entropy_backward(dloss, saved));
  };
  return Tape::record("cross_entropy", std::move(loss), std::move(backward), logits);
}

}  // namespace quern::inline QUERN_ABI
