/// Columns of a matrix copied to and from matrices of their own: what concat, slice and split are. Copying needs no
/// element type: rows are cut into the largest units, of 2 to 16 bytes, that fit all of them.
#pragma once
#include <quern/base/dtype.hpp>

#include "kernels/elements.cuh"
#include "kernels/launch.cuh"

namespace quern::inline QUERN_ABI::kernels {

inline constexpr int column_threads = 256;

/// How a block's threads are laid over rows of `width` units: `lanes` of them (a power of two) beside each other, then
/// the next row. A row wider than that is cut into `chunks`. Each thread takes the same unit of `rows_a_thread` rows,
/// so that as many loads are under way.
struct ColumnGrid {
  static constexpr int rows_a_thread = 4;
  std::int64_t width;
  int lanes, chunks;

  /// Rows that a block takes.
  QUERN_HD constexpr int rows() const { return column_threads / lanes * rows_a_thread; }
};

/// Where the calling thread works in block `block`: in column `column`, from row `row` on in steps of `step`.
struct ColumnPlace {
  std::int64_t column, row;
  int step;
};
__device__ __forceinline__ ColumnPlace place_in(const ColumnGrid& g, unsigned block) {
  const unsigned chunk = block % unsigned(g.chunks), group = block / unsigned(g.chunks);
  const int lane = int(threadIdx.x) & (g.lanes - 1);
  return {std::int64_t(chunk) * g.lanes + lane, std::int64_t(group) * g.rows() + int(threadIdx.x) / g.lanes,
          column_threads / g.lanes};
}

/// One of the matrices: `grid.width` columns wide, it stands from column `at` of the whole. All in units.
struct ColumnPart {
  void* data;
  std::int64_t at;
  ColumnGrid grid;
};
/// The whole matrix, and some of its parts.
struct ColumnParts {
  static constexpr int most = 8;
  void* whole;
  std::int64_t rows, stride;
  ColumnPart part[most];
};

/// `into_whole`: whole(r, at + c) = part(r, c); else the other way. Grid (blocks that the largest part needs, parts),
/// block column_threads, laid out as ColumnGrid says.
template <class Unit, bool into_whole>
__global__ void __launch_bounds__(column_threads) copy_columns(const __grid_constant__ ColumnParts p) {
  const ColumnPart& part = p.part[blockIdx.y];
  const ColumnGrid g = part.grid;
  const ColumnPlace place = place_in(g, blockIdx.x);
  if (place.column >= g.width || place.row >= p.rows) return;
  Unit* whole = static_cast<Unit*>(p.whole) + part.at + place.column;
  Unit* own = static_cast<Unit*>(part.data) + place.column;
  Unit unit[g.rows_a_thread];
  for (int k = 0; k < g.rows_a_thread; ++k) {
    const std::int64_t row = place.row + k * place.step;
    if (row < p.rows) unit[k] = into_whole ? own[row * g.width] : whole[row * p.stride];
  }
  for (int k = 0; k < g.rows_a_thread; ++k) {
    const std::int64_t row = place.row + k * place.step;
    if (row < p.rows) (into_whole ? whole[row * p.stride] : own[row * g.width]) = unit[k];
  }
}

/// to(r, c) += from(r, c), rounded once: `from` has rows of grid.width · width elements, those of `to` begin every
/// `stride` elements. One-dimensional grid, block column_threads, laid out as ColumnGrid says; a unit is `width`
/// elements.
template <int width, class T>
__global__ void __launch_bounds__(column_threads)
    add_columns(const T* __restrict__ from, T* __restrict__ to, std::int64_t rows, std::int64_t stride, ColumnGrid g) {
  const ColumnPlace place = place_in(g, blockIdx.x);
  if (place.column >= g.width) return;
  from += place.column * width, to += place.column * width;
  for (int k = 0; k < g.rows_a_thread; ++k) {
    const std::int64_t row = place.row + k * place.step;
    if (row >= rows) return;
    const auto a = load_elements<width>(from + row * g.width * width), b = load_elements<width>(to + row * stride);
    float sum[width];
    for (int i = 0; i < width; ++i) sum[i] = b[i] + a[i];
    store_elements(to + row * stride, sum);
  }
}

#if !defined(__CUDACC_RTC__)
inline ColumnGrid column_grid(std::int64_t width) {
  ColumnGrid g{.width = width, .lanes = 1, .chunks = 1};
  while (g.lanes < column_threads && g.lanes < width) g.lanes *= 2;
  if (width > g.lanes) g.chunks = int((width + g.lanes - 1) / g.lanes);
  return g;
}
inline unsigned column_blocks(const ColumnGrid& g, std::int64_t rows) {
  return g.width == 0 ? 0 : unsigned((rows + g.rows() - 1) / g.rows() * g.chunks);
}

namespace detail {
template <class Unit>
void copy_columns_as(const char* name, ColumnParts p, int count, bool into_whole) {
  const auto units = [](std::int64_t bytes) { return bytes / std::int64_t(sizeof(Unit)); };
  unsigned blocks = 0;
  p.stride = units(p.stride);
  for (int i = 0; i < count; ++i) {
    p.part[i].at = units(p.part[i].at);
    p.part[i].grid = column_grid(units(p.part[i].grid.width));
    const unsigned needs = column_blocks(p.part[i].grid, p.rows);
    if (needs > blocks) blocks = needs;
  }
  launch(name, into_whole ? copy_columns<Unit, true> : copy_columns<Unit, false>,
         {.grid = {blocks, unsigned(count)}, .block = {column_threads}}, p);
}
}  // namespace detail

/// Host side: copies `count` parts, at most ColumnParts::most, whose places are in bytes.
inline void copy_columns(const char* name, const ColumnParts& p, int count, bool into_whole) {
  std::uintptr_t all = std::uintptr_t(p.whole) | std::uintptr_t(p.stride);  // its lowest bit: the unit they all allow
  for (int i = 0; i < count; ++i)
    all |= std::uintptr_t(p.part[i].data) | std::uintptr_t(p.part[i].at) | std::uintptr_t(p.part[i].grid.width);
  if (all % 16 == 0) return detail::copy_columns_as<Pack<std::uint32_t, 4>>(name, p, count, into_whole);
  if (all % 8 == 0) return detail::copy_columns_as<Pack<std::uint32_t, 2>>(name, p, count, into_whole);
  if (all % 4 == 0) return detail::copy_columns_as<std::uint32_t>(name, p, count, into_whole);
  detail::copy_columns_as<std::uint16_t>(name, p, count, into_whole);
}

/// Host side: `to` is the first column of those that `from` is added to; rows of `to` are `stride` elements long.
template <class T>
void add_columns(const char* name, View<const T, 2> from, T* to, std::int64_t stride) {
  const std::int64_t rows = from.extent(0), columns = from.extent(1);
  const auto run = [&]<int width>(std::integral_constant<int, width>) {
    const ColumnGrid g = column_grid(columns / width);
    launch(name, add_columns<width, T>, {.grid = {column_blocks(g, rows)}, .block = {column_threads}}, from.data, to,
           rows, stride, g);
  };
  constexpr int pack = pack_width<T>;
  if (starts_at_16_bytes(from.data, to) && columns % pack == 0 && stride % pack == 0)
    return run(std::integral_constant<int, pack>{});
  run(std::integral_constant<int, 1>{});
}
#endif

}  // namespace quern::inline QUERN_ABI::kernels
