/// Tensors and views over memory that somebody else owns, without a copy.
///
///   std::vector<float> features = …;                          // 35 texts, 300 numbers each, row after row
///   auto x = borrow(features.data(), Shape{35, 300});         // Tensor<float, 2>: x(3, 4) is features[3 * 300 + 4]
///   View<float, 2> v = view_of(features.data(), Shape{35, 300});
///
/// Everything takes a borrowed tensor like any other: ops, the tape, optimizers (a borrowed weight is trained in
/// place). A copy has memory of its own; moves and `share()` alias. The memory must be contiguous and row-major, and
/// must outlive every tensor over it, recorded ones and what a tape keeps included: do not let the vector grow
/// meanwhile.
#pragma once
#include <span>

#include <quern/tensor/tensor.hpp>

namespace quern::inline QUERN_ABI {

namespace detail {
/// `memory`, if that many elements can lie there.
inline void* borrowable(const void* memory, std::int64_t elements, std::size_t alignment, Caller at) {
  require(memory != nullptr || elements == 0, "borrow: no memory for ", elements, " elements (", at, ")");
  require(std::uintptr_t(memory) % alignment == 0, "borrow: the memory is not aligned to ", alignment,
          " bytes, the size of an element (", at, ")");
  return const_cast<void*>(memory);
}
}  // namespace detail

/// A tensor over `shape.size()` elements at `data`, which on a GPU is a pointer of that device.
template <class T, int Rank>
Tensor<T, Rank> borrow(T* data, Shape<Rank> shape, Device device = {}, Caller at = Caller::here()) {
  for (auto e : shape.extents) require(e >= 0, "borrow: an extent is negative: ", shape, " (", at, ")");
  void* memory = detail::borrowable(data, shape.size(), alignof(T), at);
  return Tensor<T, Rank>::adopt(Storage::borrow(memory, std::size_t(shape.size()) * sizeof(T), device), shape);
}

/// Read-only memory gives a constant tensor. Keep it so, `const auto x = borrow(…)`: neither share() nor the tape can
/// see that the memory must not be written.
template <class T, int Rank>
const Tensor<T, Rank> borrow(const T* data, Shape<Rank> shape, Device device = {}, Caller at = Caller::here()) {
  return borrow(const_cast<T*>(data), shape, device, at);
}

/// The elements of a span, whose number must fit the shape.
template <class T, int Rank>
decltype(auto) borrow(std::span<T> elements, Shape<Rank> shape, Device device = {}, Caller at = Caller::here()) {
  require(std::int64_t(elements.size()) == shape.size(), "borrow: shape ", shape, " wants ", shape.size(),
          " elements, the span has ", elements.size(), " (", at, ")");
  return borrow(elements.data(), shape, device, at);
}

/// A view over memory, for bodies of ops and loops of your own. Not checked.
template <class T, int Rank>
View<T, Rank> view_of(T* data, Shape<Rank> shape) {
  View<T, Rank> v;
  v.data = data;
  for (int i = 0; i < Rank; ++i) v.extents[i] = shape[i];
  return v;
}

}  // namespace quern::inline QUERN_ABI
