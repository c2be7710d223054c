/// split: a tensor cut along one axis into parts; the inverse of concat.
///
///   x = [y_1, y_2, …],   dx = [dy_1, dy_2, …]
///
///   auto parts = split(x, {3, 1, 4});       // x [B, 8] → [B, 3], [B, 1], [B, 4]
///   auto gates = split(x, 2);               // parts of 2 each (the last may be smaller): four of [B, 2]
#pragma once
#include <vector>

#include <quern/ops/slice.hpp>

namespace quern::inline QUERN_ABI {

/// Where each part stood.
template <int Rank>
struct SplitSaved {
  std::vector<SliceSaved<Rank>> parts;
};
template <class T, int Rank>
struct SplitForward {
  std::vector<Tensor<T, Rank>> y;
  SplitSaved<Rank> saved;
};

namespace detail {
/// `extent` in parts of `size`; the last is what remains.
inline std::vector<std::int64_t> equal_sizes(std::int64_t extent, std::int64_t size, Caller at) {
  require(size > 0, "split: parts of ", size, "; expected at least 1 (", at, ")");
  std::vector<std::int64_t> sizes{std::min(size, extent)};  // of an empty axis too there is one part
  for (std::int64_t begin = size; begin < extent; begin += size) sizes.push_back(std::min(size, extent - begin));
  return sizes;
}
}  // namespace detail

/// Parts of the given sizes along axis `axis` (-1: the last), each a copy. Throws InvalidArgument unless the sizes are
/// not negative and sum to the extent.
template <Number T, int Rank>
SplitForward<T, Rank> split_forward(const Tensor<T, Rank>& x, const std::vector<std::int64_t>& sizes, int axis = -1,
                                    Caller at = Caller::here()) {
  const Axis a = axis_of("split", x.shape(), axis, at);
  std::int64_t sum = 0;
  for (auto size : sizes) {
    require(size >= 0, "split: a part of ", size, " (", at, ")");
    sum += size;
  }
  require(sum == a.extent, "split: the sizes sum to ", sum, ", axis ", a.index, " has ", a.extent, "; ",
          described("x", x), " (", at, ")");
  SplitForward<T, Rank> out;
  std::int64_t begin = 0;
  for (auto size : sizes) {
    auto part = slice_forward(x, a.index, begin, begin + size, at);
    out.y.push_back(std::move(part.y));
    out.saved.parts.push_back(part.saved);
    begin += size;
  }
  return out;
}

template <Number T, int Rank>
std::vector<Tensor<T, Rank>> split(const Tensor<T, Rank>& x, const std::vector<std::int64_t>& sizes, int axis = -1,
                                   Caller at = Caller::here()) {
  return split_forward(x, sizes, axis, at).y;
}

/// One gradient for each part → dx.
template <Number T, int Rank>
Tensor<T, Rank> split_backward(const std::vector<Tensor<T, Rank>>& dy, const SplitSaved<Rank>& saved) {
  require(dy.size() == saved.parts.size() && !dy.empty(), "split_backward: ", dy.size(), " gradients for ",
          saved.parts.size(), " parts");
  Tensor<T, Rank> dx(saved.parts[0].shape, dy[0].device());
  for (std::size_t i = 0; i < dy.size(); ++i) slice_backward_into(dx, dy[i], saved.parts[i]);
  return dx;
}

/// On a tape each part is a node of its own: one that the loss does not use costs nothing.
template <class T, int Rank>
std::vector<Tensor<Recorded<T>, Rank>> split(const Tensor<Recorded<T>, Rank>& x, const std::vector<std::int64_t>& sizes,
                                             int axis = -1, Caller at = Caller::here()) {
  auto [values, saved] = split_forward(x.value(), sizes, axis, at);
  std::vector<Tensor<Recorded<T>, Rank>> parts;
  for (std::size_t i = 0; i < values.size(); ++i)
    parts.push_back(detail::record_slice("split", x, std::move(values[i]), saved.parts[i]));
  return parts;
}

/// Parts of `size` each, plain or recorded; the last may be smaller.
template <class T, int Rank>
std::vector<Tensor<T, Rank>> split(const Tensor<T, Rank>& x, std::int64_t size, int axis = -1,
                                   Caller at = Caller::here()) {
  return split(x, detail::equal_sizes(axis_of("split", x.shape(), axis, at).extent, size, at), axis, at);
}

}  // namespace quern::inline QUERN_ABI
