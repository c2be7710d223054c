/// One axis of a tensor, with those before it and those after it collapsed: what happens along any axis happens on
/// [outer, extent, inner], so bodies of ops exist for that shape alone.
///
///   const Axis axis = axis_of("sum", x, -1, at);        // of x [4, 5, 6]: index 2, outer 20, extent 6, inner 1
///   cpu::sum(axis.view(x), …);
#pragma once
#include <quern/tensor/tensor.hpp>

namespace quern::inline QUERN_ABI {

struct Axis {
  int index = 0;
  std::int64_t outer = 1, extent = 1, inner = 1;

  /// x as [outer, extent, inner].
  template <class T, int Rank>
  View<const T, 3> view(const Tensor<T, Rank>& x) const {
    return {x.data(), {outer, extent, inner}};
  }
  template <class T, int Rank>
  View<T, 3> view(Tensor<T, Rank>& x) const {
    return {x.data(), {outer, extent, inner}};
  }
};

namespace detail {
inline Axis axis_of(const char* op, const std::int64_t* extents, int rank, int axis, Caller at) {
  require(axis >= -rank && axis < rank, op, ": axis ", axis, " of a tensor of rank ", rank, "; expected ", -rank,
          " to ", rank - 1, " (", at, ")");
  Axis found{.index = axis < 0 ? axis + rank : axis};
  found.extent = extents[found.index];
  for (int i = 0; i < rank; ++i) {
    if (i < found.index) found.outer *= extents[i];
    if (i > found.index) found.inner *= extents[i];
  }
  return found;
}
}  // namespace detail

/// Axis number `axis` of a shape; negative numbers count from the end: -1 is the last.
template <int Rank>
Axis axis_of(const char* op, const Shape<Rank>& shape, int axis, Caller at = {}) {
  return detail::axis_of(op, shape.extents.data(), Rank, axis, at);
}

/// The shape with another extent at one axis.
template <int Rank>
Shape<Rank> with_extent(Shape<Rank> shape, int axis, std::int64_t extent) {
  shape[axis] = extent;
  return shape;
}

/// The shape without one of its axes.
template <int Rank>
Shape<Rank - 1> without_axis(const Shape<Rank>& shape, int axis) {
  Shape<Rank - 1> rest;
  for (int i = 0; i + 1 < Rank; ++i) rest[i] = shape[i < axis ? i : i + 1];
  return rest;
}

}  // namespace quern::inline QUERN_ABI
