/// CPU bodies of embedding: a gather of rows, and the sum of gradients by row.
///
///   cpu::embedding(ids.view(), weight.view(), y.view());
#pragma once
#include <cstring>
#include <vector>

#include <quern/cpu/loops.hpp>

namespace quern::inline QUERN_ABI::cpu {

template <class T>
void embedding(View<const std::int32_t, 1> ids, View<const T, 2> weight, View<T, 2> y) {
  const std::int64_t width = weight.extent(1);
  parallel_for(ids.size(), row_grain(width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      std::memcpy(y.row(i), weight.row(ids(i)), std::size_t(width) * sizeof(T));
  });
}

/// The positions 0 … N-1, those of the smallest id first and those of one id in order: a radix sort, byte by byte.
inline std::vector<std::int32_t> positions_by_id(View<const std::int32_t, 1> ids) {
  std::vector<std::int32_t> order(std::size_t(ids.size())), next(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = std::int32_t(i);
  for (int shift = 0; shift < 32; shift += 8) {
    const auto digit = [&](std::int32_t position) { return (std::uint32_t(ids.data[position]) >> shift) & 255; };
    std::size_t begins[257] = {};
    for (auto position : order) ++begins[digit(position) + 1];
    for (int d = 0; d < 256; ++d) begins[d + 1] += begins[d];
    for (auto position : order) next[begins[digit(position)]++] = position;
    order.swap(next);
  }
  return order;
}

/// dweight(ids(i), :) += dy(i, :). Positions are sorted by id, so that each row belongs to one thread and is summed in
/// the order of its positions.
template <class T>
void embedding_backward(View<const T, 2> dy, View<const std::int32_t, 1> ids, View<T, 2> dweight) {
  const std::vector<std::int32_t> order = positions_by_id(ids);
  std::vector<std::int64_t> starts;  // where each id begins in `order`
  for (std::size_t i = 0; i < order.size(); ++i)
    if (i == 0 || ids.data[order[i]] != ids.data[order[i - 1]]) starts.push_back(std::int64_t(i));
  starts.push_back(std::int64_t(order.size()));
  const std::int64_t width = dy.extent(1);
  parallel_for(std::int64_t(starts.size()) - 1, row_grain(width), [&](std::int64_t begin, std::int64_t end) {
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t s = begin; s < end; ++s) {
        const std::int32_t* first = order.data() + starts[std::size_t(s)];
        const std::int32_t* last = order.data() + starts[std::size_t(s) + 1];
        T* row = dweight.row(ids.data[*first]);
        for_each_vector<V>(width, [&](std::int64_t c, int count) {
          V sum = V::load(row + c, count);
          for (auto position = first; position < last; ++position) sum = sum + V::load(dy.row(*position) + c, count);
          sum.store(row + c, count);
        });
      }
    });
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
