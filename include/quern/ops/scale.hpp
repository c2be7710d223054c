/// scale: every element times one number.
///
///   y = factor · x
///   dx = factor · dy
///
///   auto y = scale(scores, 0.125);      // [..., C] → [..., C]
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/scale.hpp>
#include <quern/cuda/scale.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

struct ScaleSaved {
  double factor;
};
template <class T, int Rank>
struct ScaleForward {
  Tensor<T, Rank> y;
  ScaleSaved saved;
};

template <Number T, int Rank>
Tensor<T, Rank> scale(const Tensor<T, Rank>& x, double factor) {
  const Device device = common_device("scale", x);
  auto y = empty_like(x);
  QUERN_RUN(T, device, scale(x.rows(), factor, y.rows()));
  return y;
}

template <Number T, int Rank>
ScaleForward<T, Rank> scale_forward(const Tensor<T, Rank>& x, double factor) {
  return {scale(x, factor), {factor}};
}

/// dy [..., C] → dx [..., C].
template <Number T, int Rank>
Tensor<T, Rank> scale_backward(const Tensor<T, Rank>& dy, const ScaleSaved& saved) {
  return scale(dy, saved.factor);
}

template <class T, int Rank>
Tensor<Recorded<T>, Rank> scale(const Tensor<Recorded<T>, Rank>& x, double factor) {
  auto [y, saved] = scale_forward(x.value(), factor);
  auto backward = [x, saved = saved](Tape& tape, const Tensor<T, Rank>& dy) { tape.add(x, scale_backward(dy, saved)); };
  return Tape::record("scale", std::move(y), std::move(backward), x);
}

/// Row by row, in every text alike.
template <class T>
Packed<T> scale(const Packed<T>& x, double factor) {
  return {scale(x.rows, factor), x.offsets};
}

}  // namespace quern::inline QUERN_ABI
