/// focal_loss: cross entropy that looks away from what is already right, for classes of very different frequency.
///
///   l(b) = -α(y_b) (1 - p_b)^γ log p_b,   p_b = softmax(logits(b))(y_b)           (Lin et al. 2017, equation 5)
///   loss = Σ_b l(b) / Σ_b α(y_b)                                          (γ = 0 is cross_entropy with weights α)
///   s(b) = α(y_b) (γ (1 - p_b)^(γ-1) p_b log p_b - (1 - p_b)^γ) / Σ α,    the derivative of the loss by log p_b
///   dlogits(b, c) = dloss · s(b) ([c = y_b] - softmax(logits(b))(c))
///
///   auto loss = focal_loss(logits, labels);       // [B, C], [B] → []
#pragma once
#include <limits>

#include <quern/autograd/tape.hpp>
#include <quern/cpu/focal_loss.hpp>
#include <quern/cuda/focal_loss.hpp>
#include <quern/ops/dispatch.hpp>
#include <quern/ops/embedding.hpp>

namespace quern::inline QUERN_ABI {

template <class T>
struct FocalLossOptions {
  Tensor<T, 1> alpha;  // weights of the classes [C], or [0]: all 1
  double gamma = 2;    // at least 0: how fast the weight of a right answer falls
};
template <class T>
struct FocalLossSaved {
  Tensor<accumulator_t<T>, 2> probabilities;  // [B, C]
  Tensor<double, 1> slopes;                   // [B]: of the loss by log p
  Ids labels;
};
template <class T>
struct FocalLossForward {
  Tensor<T, 0> loss;
  FocalLossSaved<T> saved;
};

namespace detail {
/// Labels and weights are numbers that make sense. On a GPU the kernels look.
template <class T>
void check_focal_loss(const Ids& labels, const Tensor<T, 1>& alpha, std::int64_t classes, Caller at) {
  for (std::int64_t c = 0; c < alpha.size(); ++c)
    require(double(alpha(c)) >= 0 && double(alpha(c)) <= std::numeric_limits<float>::max(),
            "focal_loss: the weight of class ", c, " is ", double(alpha(c)),
            "; expected a finite number of at least 0 (", at, ")");
  double total = 0;
  for (std::int64_t b = 0; b < labels.size(); ++b) {
    require(labels(b) >= 0 && labels(b) < classes, "focal_loss: label ", labels(b), " of text ", b,
            "; the logits have ", classes, " classes, so labels are 0 to ", classes - 1, " (", at, ")");
    total += alpha.size() ? double(alpha(labels(b))) : 1;
  }
  require(total > 0, "focal_loss: the classes of this batch all have weight 0, so it has no mean loss (", at, ")");
}
}  // namespace detail

template <Number T>
FocalLossForward<T> focal_loss_forward(const Tensor<T, 2>& logits, const Ids& labels,
                                       const FocalLossOptions<T>& options = {}, Caller at = Caller::here()) {
  const std::int64_t rows = logits.extent(0), classes = logits.extent(1);
  const auto& alpha = options.alpha;
  require(rows > 0 && classes > 0, "focal_loss: ", described("logits", logits), "; expected at least one text (", at,
          ")");
  require(labels.size() == rows, "focal_loss: ", described("logits", logits), ", ", described("labels", labels),
          "; expected ", rows, " labels (", at, ")");
  require(alpha.size() == 0 || alpha.size() == classes, "focal_loss: ", alpha.size(), " class weights for ", classes,
          " classes (", at, ")");
  require(options.gamma >= 0 && options.gamma <= std::numeric_limits<float>::max(),
          "focal_loss: expected a gamma of at least 0, got ", options.gamma, " (", at, ")");
  const Device device = common_device("focal_loss", logits, labels, alpha);
  if (device.is_cpu()) detail::check_focal_loss(labels, alpha, classes, at);
  FocalLossForward<T> f{Tensor<T, 0>::empty({}, device),
                        {Tensor<accumulator_t<T>, 2>::empty(logits.shape(), device),
                         Tensor<double, 1>::empty({rows}, device), labels.share()}};
  const T* weights = alpha.size() ? alpha.data() : nullptr;
  if constexpr (has_kernels<T>) {
    if (device.is_cuda()) {
      cuda::focal_loss(logits.view(), labels.view(), weights, options.gamma, f.saved.probabilities.view(),
                       f.saved.slopes.view(), f.loss.data());
      return f;
    }
  }
  f.loss.data()[0] = T(cpu::focal_loss(logits.view(), labels.view(), weights, options.gamma,
                                       f.saved.probabilities.view(), f.saved.slopes.view()));
  return f;
}

template <Number T>
Tensor<T, 0> focal_loss(const Tensor<T, 2>& logits, const Ids& labels, const FocalLossOptions<T>& options = {},
                        Caller at = Caller::here()) {
  return focal_loss_forward(logits, labels, options, at).loss;
}

/// dloss [] → dlogits [B, C].
template <Number T>
Tensor<T, 2> focal_loss_backward(const Tensor<T, 0>& dloss, const FocalLossSaved<T>& saved) {
  auto dlogits = Tensor<T, 2>::empty(saved.probabilities.shape(), saved.probabilities.device());
  if constexpr (has_kernels<T>) {
    if (dlogits.device().is_cuda()) {
      cuda::focal_loss_backward(dloss.data(), saved.probabilities.view(), saved.labels.view(), saved.slopes.view(),
                                dlogits.view());
      return dlogits;
    }
  }
  cpu::focal_loss_backward(double(dloss.item()), saved.probabilities.view(), saved.labels.view(), saved.slopes.view(),
                           dlogits.view());
  return dlogits;
}

template <class T>
Tensor<Recorded<T>, 0> focal_loss(const Tensor<Recorded<T>, 2>& logits, const Ids& labels,
                                  const FocalLossOptions<T>& options = {}, Caller at = Caller::here()) {
  auto [loss, saved] = focal_loss_forward(logits.value(), labels, options, at);
  auto backward = [logits, saved = std::move(saved)](Tape& tape, const Tensor<T, 0>& dloss) {
    tape.add(logits, focal_loss_backward(dloss, saved));
  };
  return Tape::record("focal_loss", std::move(loss), std::move(backward), logits);
}

}  // namespace quern::inline QUERN_ABI
