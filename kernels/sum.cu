#include "kernels/sum.cuh"

#include <quern/cuda/sum.hpp>

#include "kernels/elementwise.cuh"

namespace quern::inline QUERN_ABI::cuda {

namespace {
using kernels::pack_width;

template <class X, class Y>
void sum_rows(View<const X, 2> x, std::int64_t pieces, std::int64_t piece, float divisor, Y* y) {
  const bool in_packs = kernels::rows_fit_packs<X>(x.extent(1), x.data) && piece % pack_width<X> == 0;
  kernels::with_row_walk<pack_width<X>>(pieces == 1 ? x.extent(1) : piece, in_packs, [&](auto walk) {
    using Walk = decltype(walk);
    kernels::launch("sum", kernels::sum_rows<X, Y, Walk>, kernels::walk_launch<Walk>(x.extent(0) * pieces), x, pieces,
                    piece, divisor, y);
  });
}
template <class X, class Y>
void sum_columns(View<const X, 3> x, std::int64_t pieces, std::int64_t piece, float divisor, Y* y) {
  auto launch = [&]<int W>(std::integral_constant<int, W>) {
    constexpr std::int64_t tile = kernels::warp_size * W;
    const std::int64_t blocks = x.extent(0) * pieces * ((x.extent(2) + tile - 1) / tile);
    kernels::launch("sum", kernels::sum_columns<X, Y, W>,
                    {.grid = {unsigned(blocks)}, .block = {256}, .shared = sizeof(kernels::ColumnShared<W>)}, x, pieces,
                    piece, divisor, y);
  };
  kernels::rows_fit_packs<X>(x.extent(2), x.data) ? launch(std::integral_constant<int, pack_width<X>>{})
                                                  : launch(std::integral_constant<int, 1>{});
}

/// Into how many pieces n is cut where the rest of the shape makes `blocks` blocks: depends on the shape alone.
std::int64_t pieces_of(std::int64_t n, std::int64_t blocks, std::int64_t shortest) {
  constexpr std::int64_t enough = 528;  // blocks: four for each multiprocessor of an H100
  if (blocks >= enough || blocks == 0 || n == 0) return 1;
  return std::max<std::int64_t>(1, std::min(enough / blocks, n / shortest));
}
}  // namespace

template <class T>
void sum(View<const T, 3> x, View<T, 2> y, float divisor) {
  const std::int64_t outer = x.extent(0), n = x.extent(1), inner = x.extent(2);
  const bool rows = inner == 1;
  const std::int64_t tile = kernels::warp_size * pack_width<T>;
  std::int64_t pieces = pieces_of(n, outer * (rows ? 1 : (inner + tile - 1) / tile), rows ? 4096 : 64);
  const std::int64_t piece = (n + pieces * 16 - 1) / (pieces * 16) * 16;  // a multiple of every pack's width
  pieces = std::max<std::int64_t>(1, n == 0 ? 1 : (n + piece - 1) / piece);
  const View<const T, 2> as_rows{x.data, {outer, n}};
  if (pieces == 1) return rows ? sum_rows(as_rows, 1, n, divisor, y.data) : sum_columns(x, 1, n, divisor, y.data);
  auto parts = kernels::float_workspace(outer * pieces * inner);
  if (rows) {
    sum_rows(as_rows, pieces, piece, 1, parts.data());
    sum_rows(View<const float, 2>{parts.data(), {outer, pieces}}, 1, pieces, divisor, y.data);
  } else {
    sum_columns(x, pieces, piece, 1, parts.data());
    sum_columns(View<const float, 3>{parts.data(), {outer, pieces, inner}}, 1, pieces, divisor, y.data);
  }
}

template <class T>
void sum_backward(View<const T, 2> dy, View<T, 3> dx, float factor) {
  const std::int64_t outer = dx.extent(0), n = dx.extent(1), inner = dx.extent(2);
  const std::int64_t length = inner == 1 ? n : inner;
  const bool in_packs =
      kernels::rows_fit_packs<T>(length, dx.data) && (inner == 1 || std::uintptr_t(dy.data) % 16 == 0);
  kernels::with_row_walk<pack_width<T>>(length, in_packs, [&](auto walk) {
    using Walk = decltype(walk);
    if (inner == 1)
      kernels::launch("sum_backward", kernels::fill_rows<T, Walk>, kernels::walk_launch<Walk>(outer), dy.data,
                      View<T, 2>{dx.data, {outer, n}}, factor);
    else
      kernels::launch("sum_backward", kernels::repeat_rows<T, Walk>, kernels::walk_launch<Walk>(outer * n), dy, n,
                      View<T, 2>{dx.data, {outer * n, inner}}, factor);
  });
}

template <class T>
void sum_all(const T* x, std::int64_t n, double divisor, T* y) {
  kernels::finish_sum("sum", kernels::sum_terms<T>("sum", n, kernels::Itself{}, x), divisor, y);
}
template <class T>
void sum_all_backward(const T* dy, T* dx, std::int64_t n, float factor) {
  kernels::elementwise("sum_backward", dx, n, kernels::Constant<T>{dy, factor});
}

#define QUERN_INSTANTIATE(T)                                       \
  template void sum(View<const T, 3>, View<T, 2>, float);          \
  template void sum_backward(View<const T, 2>, View<T, 3>, float); \
  template void sum_all(const T*, std::int64_t, double, T*);       \
  template void sum_all_backward(const T*, T*, std::int64_t, float);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
