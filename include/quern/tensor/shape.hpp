/// Extents of a tensor: the rank is static, the extents are values.
///
///   Shape<2> s{35, 300};          // [35, 300]
///   s.size();                     // 10500
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include <quern/base/error.hpp>

namespace quern::inline QUERN_ABI {

namespace detail {
[[noreturn, gnu::cold, gnu::noinline]] inline void throw_too_large() {
  throw_invalid("shape: the product of the extents is above 2^56");
}
}  // namespace detail

template <int Rank>
struct Shape {
  std::array<std::int64_t, Rank> extents{};

  Shape() = default;
  constexpr Shape(std::integral auto... e) requires(sizeof...(e) == Rank && Rank > 0) : extents{std::int64_t(e)...} {}

  constexpr std::int64_t operator[](int axis) const { return extents[std::size_t(axis)]; }
  constexpr std::int64_t& operator[](int axis) { return extents[std::size_t(axis)]; }

  /// The number of elements; 1 for rank 0.
  constexpr std::int64_t size() const {
    std::int64_t n = 1;
    for (auto e : extents)
      if (__builtin_mul_overflow(n, e, &n) || n > largest) detail::throw_too_large();
    return n;
  }
  static constexpr std::int64_t largest = std::int64_t{1} << 56;  // elements; their bytes still fit 63 bits

  /// The extent of the last axis.
  constexpr std::int64_t last() const requires(Rank > 0) { return extents[Rank - 1]; }

  friend bool operator==(const Shape&, const Shape&) = default;
};

template <class... E>
Shape(E...) -> Shape<int(sizeof...(E))>;

namespace detail {
/// "[3, 4]"
[[gnu::cold]] inline void append_extents(std::string& out, const std::int64_t* extents, int rank) {
  out += '[';
  for (int i = 0; i < rank; ++i) {
    if (i) out += ", ";
    append_text(out, extents[i]);
  }
  out += ']';
}
}  // namespace detail

template <int Rank>
void append_text(std::string& out, const Shape<Rank>& s) {
  detail::append_extents(out, s.extents.data(), Rank);
}

/// A shape of any rank, for checks that are compiled once for all of them. Refers to the Shape it was made from.
struct Extents {
  const std::int64_t* data;
  int rank;
  template <int Rank>
  Extents(const Shape<Rank>& s) : data(s.extents.data()), rank(Rank) {}
  friend bool operator==(const Extents& a, const Extents& b) {
    return std::equal(a.data, a.data + a.rank, b.data, b.data + b.rank);
  }
};
inline void append_text(std::string& out, const Extents& e) { detail::append_extents(out, e.data, e.rank); }

}  // namespace quern::inline QUERN_ABI
