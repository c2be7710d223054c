/// triplet_margin_loss: an anchor shall lie nearer to its positive than to its negative, by a margin.
///
///   l(b) = max(0, ‖a_b - p_b‖ - ‖a_b - n_b‖ + margin),   loss = 1/B Σ_b l(b)         (Schroff et al. 2015)
///   where l(b) > 0:  dp_b = -dloss/B (a_b - p_b)/‖a_b - p_b‖,  dn_b = dloss/B (a_b - n_b)/‖a_b - n_b‖,
///                    da_b = -dp_b - dn_b;  else 0. A distance of 0 has the slope 0.
///
///   auto loss = triplet_margin_loss(anchors, positives, negatives, 1.0);       // [B, E], [B, E], [B, E] → []
///
/// Distances are Euclidean and exact; PyTorch adds 1e-6 to every difference.
#pragma once
#include <limits>

#include <quern/autograd/tape.hpp>
#include <quern/cpu/triplet_margin_loss.hpp>
#include <quern/cuda/triplet_margin_loss.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// What backward needs: the arguments.
template <class T>
struct TripletMarginLossSaved {
  Tensor<T, 2> anchors, positives, negatives;  // [B, E]
  double margin;
};
template <class T>
struct TripletMarginLossForward {
  Tensor<T, 0> loss;
  TripletMarginLossSaved<T> saved;
};
template <class T>
struct TripletMarginLossGradients {
  Tensor<T, 2> anchors, positives, negatives;  // [B, E]
};

template <Number T>
TripletMarginLossForward<T> triplet_margin_loss_forward(const Tensor<T, 2>& anchors, const Tensor<T, 2>& positives,
                                                        const Tensor<T, 2>& negatives, double margin = 1,
                                                        Caller at = Caller::here()) {
  const char* op = "triplet_margin_loss";
  require_same_shape(op, described("anchors", anchors), described("positives", positives), at);
  require_same_shape(op, described("anchors", anchors), described("negatives", negatives), at);
  require(anchors.extent(0) > 0, op, ": ", described("anchors", anchors), "; expected at least one triplet (", at, ")");
  require(margin >= 0 && margin <= std::numeric_limits<float>::max(), op, ": expected a margin of at least 0, got ",
          margin, " (", at, ")");
  const Device device = common_device(op, anchors, positives, negatives);
  TripletMarginLossForward<T> f{Tensor<T, 0>::empty({}, device),
                                {anchors.share(), positives.share(), negatives.share(), margin}};
  if constexpr (has_kernels<T>) {
    if (device.is_cuda()) {
      cuda::triplet_margin_loss(anchors.view(), positives.view(), negatives.view(), margin, f.loss.data());
      return f;
    }
  }
  f.loss.data()[0] = T(cpu::triplet_margin_loss(anchors.view(), positives.view(), negatives.view(), margin));
  return f;
}

template <Number T>
Tensor<T, 0> triplet_margin_loss(const Tensor<T, 2>& anchors, const Tensor<T, 2>& positives,
                                 const Tensor<T, 2>& negatives, double margin = 1, Caller at = Caller::here()) {
  return triplet_margin_loss_forward(anchors, positives, negatives, margin, at).loss;
}

/// dloss [] → danchors, dpositives, dnegatives [B, E].
template <Number T>
TripletMarginLossGradients<T> triplet_margin_loss_backward(const Tensor<T, 0>& dloss,
                                                           const TripletMarginLossSaved<T>& saved) {
  TripletMarginLossGradients<T> d{empty_like(saved.anchors), empty_like(saved.anchors), empty_like(saved.anchors)};
  if constexpr (has_kernels<T>) {
    if (d.anchors.device().is_cuda()) {
      cuda::triplet_margin_loss_backward(dloss.data(), saved.anchors.view(), saved.positives.view(),
                                         saved.negatives.view(), saved.margin, d.anchors.view(), d.positives.view(),
                                         d.negatives.view());
      return d;
    }
  }
  cpu::triplet_margin_loss_backward(double(dloss.item()), saved.anchors.view(), saved.positives.view(),
                                    saved.negatives.view(), saved.margin, d.anchors.view(), d.positives.view(),
                                    d.negatives.view());
  return d;
}

template <class A, class P, class N>
requires AnyRecorded<A, P, N>
auto triplet_margin_loss(const A& anchors, const P& positives, const N& negatives, double margin = 1,
                         Caller at = Caller::here()) {
  auto [loss, saved] = triplet_margin_loss_forward(value(anchors), value(positives), value(negatives), margin, at);
  auto backward = [a = keep(anchors), p = keep(positives), n = keep(negatives), saved = std::move(saved)](
                      Tape& tape, const auto& dloss) {
    auto d = triplet_margin_loss_backward(dloss, saved);
    if constexpr (is_recorded<A>) tape.add(a, std::move(d.anchors));
    if constexpr (is_recorded<P>) tape.add(p, std::move(d.positives));
    if constexpr (is_recorded<N>) tape.add(n, std::move(d.negatives));
  };
  return Tape::record("triplet_margin_loss", std::move(loss), std::move(backward), anchors, positives, negatives);
}

}  // namespace quern::inline QUERN_ABI
