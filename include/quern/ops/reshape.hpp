/// reshape: the same elements under other extents. Nothing is copied: y is another tensor over the memory of x.
///
///   y = x,  dx = dy          (elements in row-major order)
///
///   auto y = reshape(x, Shape{2, -1});      // x [4, 6] → [2, 12]; one extent may be -1: what is left
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// The shape of x.
template <int Rank>
struct ReshapeSaved {
  Shape<Rank> shape;
};
template <class T, int R, int Rank>
struct ReshapeForward {
  Tensor<T, R> y;
  ReshapeSaved<Rank> saved;
};

namespace detail {
/// Puts what is left in the place of a -1. False where the elements do not fit.
inline bool complete_extents(std::int64_t* extents, int rank, std::int64_t size) {
  std::int64_t known = 1, *open = nullptr;
  for (int i = 0; i < rank; ++i) {
    if (extents[i] < -1 || (extents[i] == -1 && open)) return false;
    if (extents[i] == -1) {
      open = extents + i;
    } else if (__builtin_mul_overflow(known, extents[i], &known)) {
      return false;
    }
  }
  if (!open) return known == size;
  if (known == 0) return false;  // any number would fit
  *open = size / known;
  return known * *open == size;
}
}  // namespace detail

/// Throws InvalidArgument where the shape has another number of elements than x, or more than one -1.
template <Number T, int Rank, int R>
Tensor<T, R> reshape(const Tensor<T, Rank>& x, Shape<R> shape, Caller at = Caller::here()) {
  const Shape<R> asked = shape;
  require(detail::complete_extents(shape.extents.data(), R, x.shape().size()), "reshape: ", described("x", x), ", ",
          x.shape().size(), " elements, which do not fit ", asked, " (", at, ")");
  return x.share(shape);
}

template <Number T, int Rank, int R>
ReshapeForward<T, R, Rank> reshape_forward(const Tensor<T, Rank>& x, Shape<R> shape, Caller at = Caller::here()) {
  return {reshape(x, shape, at), {x.shape()}};
}

/// dy of the new shape → dx of the old one, over the memory of dy.
template <Number T, int R, int Rank>
Tensor<T, Rank> reshape_backward(const Tensor<T, R>& dy, const ReshapeSaved<Rank>& saved) {
  return dy.share(saved.shape);
}

template <class T, int Rank, int R>
Tensor<Recorded<T>, R> reshape(const Tensor<Recorded<T>, Rank>& x, Shape<R> shape, Caller at = Caller::here()) {
  auto [y, saved] = reshape_forward(x.value(), shape, at);
  auto backward = [x, saved = saved](Tape& tape, const Tensor<T, R>& dy) { tape.add(x, reshape_backward(dy, saved)); };
  return Tape::record("reshape", std::move(y), std::move(backward), x);
}

}  // namespace quern::inline QUERN_ABI
