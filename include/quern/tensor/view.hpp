/// A pointer with extents: the only thing kernels and Eigen bodies take. It owns nothing, includes nothing of the
/// library but its options, and is the same for host and device code.
///
///   void relu(View<const float, 2> x, View<float, 2> y);      // [rows, C]
///   x(r, c);  x.row(r);  x.size();
#pragma once
#include <quern/base/config.hpp>
#include <quern/base/freestanding.hpp>

namespace quern::inline QUERN_ABI {

template <class T, int Rank>
struct View {
  T* data = nullptr;
  std::int64_t extents[Rank > 0 ? Rank : 1] = {};

  /// A view of mutable elements is also a view of constant ones.
  template <class C>
  requires(std::is_same_v<C, const T> && !std::is_same_v<C, T>) QUERN_HD constexpr operator View<C, Rank>() const {
    View<C, Rank> v;
    v.data = data;
    for (int i = 0; i < Rank; ++i) v.extents[i] = extents[i];
    return v;
  }

  QUERN_HD constexpr std::int64_t extent(int axis) const { return extents[axis]; }
  QUERN_HD constexpr std::int64_t size() const {
    std::int64_t n = 1;
    for (int i = 0; i < Rank; ++i) n *= extents[i];
    return n;
  }

  /// Element at one index for each axis, row-major. Not checked.
  template <class... I>
  QUERN_HD constexpr T& operator()(I... index) const {
    static_assert(sizeof...(I) == Rank, "View: one index for each axis");
    std::int64_t offset = 0;
    int axis = 0;
    ((offset = offset * extents[axis++] + std::int64_t(index)), ...);
    return data[offset];
  }

  /// The elements of row `i` of a matrix.
  QUERN_HD constexpr T* row(std::int64_t i) const {
    static_assert(Rank == 2, "View::row: only a matrix has rows");
    return data + i * extents[1];
  }
};

}  // namespace quern::inline QUERN_ABI
