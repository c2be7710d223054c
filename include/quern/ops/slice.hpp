/// slice: a contiguous range of one axis.
///
///   y(…, i, …) = x(…, begin + i, …),  0 ≤ i < end - begin
///   dx = dy inside the range, 0 outside it
///
///   auto y = slice(x, 1, 2, 5);         // x [B, 7, C] → elements 2, 3 and 4 of axis 1: [B, 3, C]
///
/// To cut a tensor into all of its parts use split.
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/slice.hpp>
#include <quern/cuda/slice.hpp>
#include <quern/ops/axis.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// Where the range stood.
template <int Rank>
struct SliceSaved {
  Shape<Rank> shape;  // of x
  int axis = 0;
  std::int64_t begin = 0, end = 0;
};
template <class T, int Rank>
struct SliceForward {
  Tensor<T, Rank> y;
  SliceSaved<Rank> saved;
};

/// Elements begin … end-1 of axis `axis`, a copy. Axis -1 is the last. Throws InvalidArgument unless
/// 0 ≤ begin ≤ end ≤ the extent.
template <Number T, int Rank>
Tensor<T, Rank> slice(const Tensor<T, Rank>& x, int axis, std::int64_t begin, std::int64_t end,
                      Caller at = Caller::here()) {
  const Axis a = axis_of("slice", x.shape(), axis, at);
  require(0 <= begin && begin <= end && end <= a.extent, "slice: elements ", begin, " to ", end, " of axis ", a.index,
          ", which has ", a.extent, "; ", described("x", x), " (", at, ")");
  const Device device = common_device("slice", x);
  auto y = Tensor<T, Rank>::empty(with_extent(x.shape(), a.index, end - begin), x.device());
  const View<const T, 2> from{x.data(), {a.outer, a.extent * a.inner}};
  const View<T, 2> to{y.data(), {a.outer, (end - begin) * a.inner}};
  QUERN_RUN(T, device, slice(from, to, begin * a.inner));
  return y;
}

template <Number T, int Rank>
SliceForward<T, Rank> slice_forward(const Tensor<T, Rank>& x, int axis, std::int64_t begin, std::int64_t end,
                                    Caller at = Caller::here()) {
  auto y = slice(x, axis, begin, end, at);
  return {std::move(y), {x.shape(), axis_of("slice", x.shape(), axis, at).index, begin, end}};
}

/// Adds dy into the range of dx that it belongs to; the rest of dx is not visited.
template <Number T, int Rank>
void slice_backward_into(Tensor<T, Rank>& dx, const Tensor<T, Rank>& dy, const SliceSaved<Rank>& saved) {
  const Axis a = axis_of("slice_backward", saved.shape, saved.axis);
  const std::int64_t length = saved.end - saved.begin;
  require(dy.shape() == with_extent(saved.shape, a.index, length), "slice_backward: ", described("dy", dy),
          ", the slice is ", with_extent(saved.shape, a.index, length));
  const Device device = common_device("slice_backward", dx, dy);
  if (dx.storage() && dx.storage()->touched) dx.storage()->touched->all = true;
  const View<const T, 2> from{dy.data(), {a.outer, length * a.inner}};
  const View<T, 2> to{dx.data(), {a.outer, a.extent * a.inner}};
  QUERN_RUN(T, device, slice_backward(from, to, saved.begin * a.inner));
}

/// dy of the slice's shape → dx of x's.
template <Number T, int Rank>
Tensor<T, Rank> slice_backward(const Tensor<T, Rank>& dy, const SliceSaved<Rank>& saved) {
  Tensor<T, Rank> dx(saved.shape, dy.device());
  slice_backward_into(dx, dy, saved);
  return dx;
}

namespace detail {
/// A slice under the name of the op that asked for it. All slices of x write into one gradient.
template <class T, int Rank>
Tensor<Recorded<T>, Rank> record_slice(const char* op, const Tensor<Recorded<T>, Rank>& x, Tensor<T, Rank> y,
                                       const SliceSaved<Rank>& saved) {
  auto backward = [x, saved](Tape& tape, const Tensor<T, Rank>& dy) {
    auto dx = tape.gradient_of(x);
    slice_backward_into(dx, dy, saved);
  };
  return Tape::record(op, std::move(y), std::move(backward), x);
}
}  // namespace detail

template <class T, int Rank>
Tensor<Recorded<T>, Rank> slice(const Tensor<Recorded<T>, Rank>& x, int axis, std::int64_t begin, std::int64_t end,
                                Caller at = Caller::here()) {
  auto [y, saved] = slice_forward(x.value(), axis, begin, end, at);
  return detail::record_slice("slice", x, std::move(y), saved);
}

}  // namespace quern::inline QUERN_ABI
