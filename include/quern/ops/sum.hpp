/// sum: over one axis, which disappears, or over everything.
///
///   y(…, …) = Σ_n x(…, n, …)
///   dx(…, n, …) = dy(…, …)
///
///   auto y = sum(x, 1);                 // x [B, T, C] → [B, C]
///   auto s = sum(x);                    // → [], a scalar
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/sum.hpp>
#include <quern/cuda/sum.hpp>
#include <quern/ops/axis.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// The shape of x and, where one axis was summed, its number.
template <int Rank>
struct SumSaved {
  Shape<Rank> shape;
  int axis = 0;
};
template <class T, int Rank, int R>
struct SumForward {
  Tensor<T, R> y;
  SumSaved<Rank> saved;
};

namespace detail {
/// The sum over axis a, divided: sum and mean are one loop.
template <class T, int Rank>
Tensor<T, Rank - 1> sum_over(const char* op, const Tensor<T, Rank>& x, const Axis& a, std::int64_t divisor) {
  const Device device = common_device(op, x);
  auto y = Tensor<T, Rank - 1>::empty(without_axis(x.shape(), a.index), device);
  QUERN_RUN(T, device, sum(a.view(x), View<T, 2>{y.data(), {a.outer, a.inner}}, accumulator_t<T>(divisor)));
  return y;
}

/// The sum over everything, divided.
template <class T, int Rank>
Tensor<T, 0> sum_all(const char* op, const Tensor<T, Rank>& x, std::int64_t divisor) {
  const Device device = common_device(op, x);
  auto y = Tensor<T, 0>::empty({}, device);
  if constexpr (has_kernels<T>) {
    if (device.is_cuda()) {
      cuda::sum_all(x.data(), x.size(), double(divisor), y.data());
      return y;
    }
  }
  y.data()[0] = cpu::sum_all(x.data(), x.size(), double(divisor));
  return y;
}

template <class T, int Rank, int R>
Tensor<T, Rank> sum_over_backward(const char* op, const Tensor<T, R>& dy, const SumSaved<Rank>& saved, bool mean) {
  auto dx = Tensor<T, Rank>::empty(saved.shape, dy.device());
  if constexpr (R == 0) {
    const auto factor = accumulator_t<T>(mean ? 1.0 / double(dx.size()) : 1.0);
    if constexpr (has_kernels<T>) {
      if (dy.device().is_cuda()) {
        cuda::sum_all_backward(dy.data(), dx.data(), dx.size(), factor);
        return dx;
      }
    }
    cpu::sum_all_backward(dy.item(), dx.data(), dx.size(), factor);
  } else {
    const Axis a = axis_of(op, saved.shape, saved.axis);
    require(dy.shape() == without_axis(saved.shape, a.index), op, ": ", described("dy", dy), "; expected ",
            without_axis(saved.shape, a.index));
    const auto factor = accumulator_t<T>(mean ? 1.0 / double(a.extent) : 1.0);
    QUERN_RUN(T, dy.device(), sum_backward(View<const T, 2>{dy.data(), {a.outer, a.inner}}, a.view(dx), factor));
  }
  return dx;
}
}  // namespace detail

/// Over axis `axis` (-1: the last). An axis without elements gives zeros.
template <Number T, int Rank>
Tensor<T, Rank - 1> sum(const Tensor<T, Rank>& x, int axis, Caller at = Caller::here()) {
  return detail::sum_over("sum", x, axis_of("sum", x.shape(), axis, at), 1);
}

/// Over all elements.
template <Number T, int Rank>
Tensor<T, 0> sum(const Tensor<T, Rank>& x) {
  return detail::sum_all("sum", x, 1);
}

template <Number T, int Rank>
SumForward<T, Rank, Rank - 1> sum_forward(const Tensor<T, Rank>& x, int axis, Caller at = Caller::here()) {
  return {sum(x, axis, at), {x.shape(), axis_of("sum", x.shape(), axis, at).index}};
}
template <Number T, int Rank>
SumForward<T, Rank, 0> sum_forward(const Tensor<T, Rank>& x) {
  return {sum(x), {x.shape()}};
}

/// dy, without the axis or a scalar → dx of x's shape.
template <Number T, int R, int Rank>
Tensor<T, Rank> sum_backward(const Tensor<T, R>& dy, const SumSaved<Rank>& saved) {
  return detail::sum_over_backward("sum_backward", dy, saved, false);
}

template <class T, int Rank>
Tensor<Recorded<T>, Rank - 1> sum(const Tensor<Recorded<T>, Rank>& x, int axis, Caller at = Caller::here()) {
  auto [y, saved] = sum_forward(x.value(), axis, at);
  auto backward = [x, saved = saved](Tape& tape, const Tensor<T, Rank - 1>& dy) {
    tape.add(x, sum_backward(dy, saved));
  };
  return Tape::record("sum", std::move(y), std::move(backward), x);
}
template <class T, int Rank>
Tensor<Recorded<T>, 0> sum(const Tensor<Recorded<T>, Rank>& x) {
  auto [y, saved] = sum_forward(x.value());
  auto backward = [x, saved = saved](Tape& tape, const Tensor<T, 0>& dy) { tape.add(x, sum_backward(dy, saved)); };
  return Tape::record("sum", std::move(y), std::move(backward), x);
}

}  // namespace quern::inline QUERN_ABI
