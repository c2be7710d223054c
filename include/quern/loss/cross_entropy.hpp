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
};
template <class T>
struct CrossEntropyForward {
  Tensor<T, 0> loss;
  CrossEntropySaved<T> saved;
};

template <Number T>
CrossEntropyForward<T> cross_entropy_forward(const Tensor<T, 2>& logits, const Ids& labels,
                                             const CrossEntropyOptions<T>& options = {}, Caller at = Caller::here()) {
  const std::int64_t rows = logits.extent(0), classes = logits.extent(1);
  const auto& weights = options.class_weights;
  require(rows > 0 && classes > 0, "cross_entropy: ", described("logits", logits), "; expected at least one text (", at,
          ")");
  require(labels.size() == rows, "cross_entropy: ", described("logits", logits), ", ", described("labels", labels),
          "; expected ", rows, " labels (", at, ")");
  for (std::int64_t b = 0; b < rows; ++b)
    require(labels(b) >= 0 && labels(b) < classes, "cross_entropy: label ", labels(b), " of text ", b,
            "; the logits have ", classes, " classes, so labels are 0 to ", classes - 1, " (", at, ")");
  require(weights.size() == 0 || weights.size() == classes, "cross_entropy: ", weights.size(), " class weights for ",
          classes, " classes (", at, ")");
  double total = weights.size() ? 0 : 1;
  for (std::int64_t c = 0; c < weights.size(); ++c)
    require(weights(c) >= 0 && weights(c) <= std::numeric_limits<T>::max(), "cross_entropy: the weight of class ", c,
            " is ", weights(c), "; expected a finite number of at least 0 (", at, ")");
  for (std::int64_t b = 0; b < rows && weights.size(); ++b) total += double(weights(labels(b)));
  require(total > 0, "cross_entropy: the classes of this batch all have weight 0, so it has no mean loss (", at, ")");
  require(options.label_smoothing >= 0 && options.label_smoothing < 1,
          "cross_entropy: expected label smoothing in [0, 1), got ", options.label_smoothing, " (", at, ")");
  common_device("cross_entropy", logits, labels, weights);
  auto probabilities = Tensor<accumulator_t<T>, 2>::empty(logits.shape());
  const double loss = cpu::cross_entropy(logits.view(), labels.view(), weights.size() ? weights.data() : nullptr,
                                         options.label_smoothing, probabilities.view());
  return {Tensor<T, 0>::of(Shape<0>{}, {T(loss)}),
          {std::move(probabilities), labels.share(), weights.share(), options.label_smoothing}};
}

template <Number T>
Tensor<T, 0> cross_entropy(const Tensor<T, 2>& logits, const Ids& labels, const CrossEntropyOptions<T>& options = {},
                           Caller at = Caller::here()) {
  return cross_entropy_forward(logits, labels, options, at).loss;
}

/// dloss [] → dlogits [B, C].
template <Number T>
Tensor<T, 2> cross_entropy_backward(const Tensor<T, 0>& dloss, const CrossEntropySaved<T>& saved) {
  auto dlogits = Tensor<T, 2>::empty(saved.probabilities.shape());
  cpu::cross_entropy_backward(dloss.item(), saved.probabilities.view(), saved.labels.view(),
                              saved.class_weights.size() ? saved.class_weights.data() : nullptr, saved.label_smoothing,
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
