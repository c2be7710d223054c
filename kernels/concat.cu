#include <quern/cuda/concat.hpp>

#include "kernels/concat.cuh"

namespace quern::inline QUERN_ABI::cuda {
namespace {

/// The whole matrix to or from its parts, one after another, up to eight a launch.
template <class Part>
void copy_parts(const char* name, void* whole, std::int64_t rows, std::int64_t stride, const std::vector<Part>& parts,
                bool into_whole) {
  using kernels::ColumnParts;
  std::int64_t at = 0;
  for (std::size_t first = 0; first < parts.size(); first += ColumnParts::most) {
    ColumnParts p{.whole = whole, .rows = rows, .stride = stride, .part = {}};
    int count = 0;
    for (; count < ColumnParts::most && first + std::size_t(count) < parts.size(); ++count) {
      const auto& x = parts[first + std::size_t(count)];
      const auto bytes = x.extent(1) * std::int64_t(sizeof *x.data);
      p.part[count] = {
          const_cast<void*>(static_cast<const void*>(x.data)), at, {.width = bytes, .lanes = 1, .chunks = 1}};
      at += bytes;
    }
    kernels::copy_columns(name, p, count, into_whole);
  }
}

}  // namespace

template <class T>
void concat(const std::vector<View<const T, 2>>& parts, View<T, 2> y) {
  copy_parts("concat", y.data, y.extent(0), y.extent(1) * std::int64_t(sizeof(T)), parts, true);
}
template <class T>
void concat_backward(View<const T, 2> dy, const std::vector<View<T, 2>>& parts) {
  copy_parts("concat_backward", const_cast<T*>(dy.data), dy.extent(0), dy.extent(1) * std::int64_t(sizeof(T)), parts,
             false);
}

#define QUERN_INSTANTIATE(T)                                              \
  template void concat(const std::vector<View<const T, 2>>&, View<T, 2>); \
  template void concat_backward(View<const T, 2>, const std::vector<View<T, 2>>&);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
