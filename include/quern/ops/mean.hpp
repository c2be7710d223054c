/// mean: over one axis, which disappears, or over everything.
///
///   y(…, …) = 1/n · Σ_n x(…, n, …)
///   dx(…, n, …) = dy(…, …) / n
///
///   auto y = mean(x, 1);                // x [B, T, C] → [B, C]
///   auto m = mean(x);                   // → [], a scalar
#pragma once
#include <quern/ops/sum.hpp>

namespace quern::inline QUERN_ABI {

/// Over axis `axis` (-1: the last). Throws InvalidArgument where the axis has no elements.
template <Number T, int Rank>
Tensor<T, Rank - 1> mean(const Tensor<T, Rank>& x, int axis, Caller at = Caller::here()) {
  const Axis a = axis_of("mean", x.shape(), axis, at);
  require(a.extent > 0, "mean: axis ", a.index, " has no elements; ", described("x", x), " (", at, ")");
  return detail::sum_over("mean", x, a, a.extent);
}

/// Over all elements, of which there must be one.
template <Number T, int Rank>
Tensor<T, 0> mean(const Tensor<T, Rank>& x, Caller at = Caller::here()) {
  require(x.size() > 0, "mean: no elements; ", described("x", x), " (", at, ")");
  return detail::sum_all("mean", x, x.size());
}

template <Number T, int Rank>
SumForward<T, Rank, Rank - 1> mean_forward(const Tensor<T, Rank>& x, int axis, Caller at = Caller::here()) {
  return {mean(x, axis, at), {x.shape(), axis_of("mean", x.shape(), axis, at).index}};
}
template <Number T, int Rank>
SumForward<T, Rank, 0> mean_forward(const Tensor<T, Rank>& x, Caller at = Caller::here()) {
  return {mean(x, at), {x.shape()}};
}

/// dy, without the axis or a scalar → dx of x's shape.
template <Number T, int R, int Rank>
Tensor<T, Rank> mean_backward(const Tensor<T, R>& dy, const SumSaved<Rank>& saved) {
  return detail::sum_over_backward("mean_backward", dy, saved, true);
}

template <class T, int Rank>
Tensor<Recorded<T>, Rank - 1> mean(const Tensor<Recorded<T>, Rank>& x, int axis, Caller at = Caller::here()) {
  auto [y, saved] = mean_forward(x.value(), axis, at);
  auto backward = [x, saved = saved](Tape& tape, const Tensor<T, Rank - 1>& dy) {
    tape.add(x, mean_backward(dy, saved));
  };
  return Tape::record("mean", std::move(y), std::move(backward), x);
}
template <class T, int Rank>
Tensor<Recorded<T>, 0> mean(const Tensor<Recorded<T>, Rank>& x, Caller at = Caller::here()) {
  auto [y, saved] = mean_forward(x.value(), at);
  auto backward = [x, saved = saved](Tape& tape, const Tensor<T, 0>& dy) { tape.add(x, mean_backward(dy, saved)); };
  return Tape::record("mean", std::move(y), std::move(backward), x);
}

}  // namespace quern::inline QUERN_ABI
