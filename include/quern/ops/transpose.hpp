/// transpose: the last two axes exchanged, written out as a new tensor.
///
///   y(…, c, r) = x(…, r, c)
///   dx(…, r, c) = dy(…, c, r)
///
///   auto y = transpose(x);              // [..., R, C] → [..., C, R]
///
/// A factor of a product needs no transpose of its own: matmul has a flag for it.
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/transpose.hpp>
#include <quern/cuda/transpose.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// Backward needs nothing of the forward pass.
struct TransposeSaved {};
template <class T, int Rank>
struct TransposeForward {
  Tensor<T, Rank> y;
  TransposeSaved saved;
};

template <Number T, int Rank>
Tensor<T, Rank> transpose(const Tensor<T, Rank>& x) {
  static_assert(Rank >= 2, "transpose: the tensor has fewer than two axes");
  const Device device = common_device("transpose", x);
  const std::int64_t rows = x.extent(Rank - 2), columns = x.extent(Rank - 1);
  std::int64_t outer = 1;
  for (int i = 0; i + 2 < Rank; ++i) outer *= x.extent(i);
  Shape<Rank> shape = x.shape();
  std::swap(shape[Rank - 2], shape[Rank - 1]);
  auto y = Tensor<T, Rank>::empty(shape, x.device());
  const View<const T, 3> from{x.data(), {outer, rows, columns}};
  const View<T, 3> to{y.data(), {outer, columns, rows}};
  QUERN_RUN(T, device, transpose(from, to));
  return y;
}

template <Number T, int Rank>
TransposeForward<T, Rank> transpose_forward(const Tensor<T, Rank>& x) {
  return {transpose(x), {}};
}

/// dy [..., C, R] → dx [..., R, C].
template <Number T, int Rank>
Tensor<T, Rank> transpose_backward(const Tensor<T, Rank>& dy, const TransposeSaved& = {}) {
  return transpose(dy);
}

template <class T, int Rank>
Tensor<Recorded<T>, Rank> transpose(const Tensor<Recorded<T>, Rank>& x) {
  auto backward = [x](Tape& tape, const Tensor<T, Rank>& dy) { tape.add(x, transpose_backward(dy)); };
  return Tape::record("transpose", transpose(x.value()), std::move(backward), x);
}

}  // namespace quern::inline QUERN_ABI
