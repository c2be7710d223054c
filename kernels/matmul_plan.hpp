/// Which tile, and K in how many parts: the cheapest by a model of the machine. The last wave of blocks is what counts:
/// 192 tiles on 132 multiprocessors take as long as 264 would. For the host; knows no kernel.
///
///   const auto plan = plan_matmul(4096, 768, 768, options, 132, {});      // options: the tiles there are
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI::kernels {

/// A tile, how many multiply-adds a multiprocessor is taken to do with it, in 10^12 a second, and the bytes of shared
/// memory that a block needs for it.
struct TileOption {
  int rows, columns;
  double speed;
  std::size_t shared = 0;
};

struct PlanLimits {
  std::int64_t depth_unit = 32;   // parts of K are multiples of this
  int parts = 0;                  // 0: choose; 1: never cut
  int rows = 0, columns = 0;      // of the tile; 0: choose
  std::size_t shared = SIZE_MAX;  // what the GPU gives a block: 163 KB on sm_80, 99 KB on sm_86 and 89, 227 KB on sm_90
};

struct MatmulPlan {
  int option = 0;
  int parts = 1;
  std::int64_t depth_of_part = 0;
  double seconds = 0;     // by the model
  double efficiency = 0;  // the useful part of what the multiprocessors could have done in these waves
};

/// Seconds that are taken for the beginning and the end of a tile, as K; for a second launch; for a byte of the parts.
inline constexpr double tile_overhead_in_k = 128, second_pass_seconds = 3e-6, second_per_byte = 1 / 4.3e12;
inline constexpr std::int64_t shortest_part = 256, most_parts = 16, largest_workspace = std::int64_t{1} << 28;

inline MatmulPlan plan_matmul(std::int64_t m, std::int64_t n, std::int64_t k, std::span<const TileOption> options,
                              int multiprocessors, const PlanLimits& limits) {
  const auto cuts = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
  MatmulPlan best;
  const std::int64_t first = std::max(limits.parts, 1), last = limits.parts > 0 ? limits.parts : most_parts;
  for (int o = 0; o < int(options.size()); ++o) {
    const auto& tile = options[std::size_t(o)];
    if (limits.rows > 0 && (tile.rows != limits.rows || tile.columns != limits.columns)) continue;
    if (tile.shared > limits.shared) continue;
    for (std::int64_t wanted = first; wanted <= last; ++wanted) {
      const std::int64_t depth =
          std::max(limits.depth_unit, cuts(cuts(k, wanted), limits.depth_unit) * limits.depth_unit);
      const std::int64_t parts = std::max<std::int64_t>(1, cuts(k, depth)), bytes = parts * m * n * 4;
      if (limits.parts == 0 && wanted > 1 && (depth < shortest_part || bytes > largest_workspace)) break;
      const double tiles = double(cuts(m, tile.rows) * cuts(n, tile.columns) * parts);
      const double waves = double(cuts(std::int64_t(tiles), multiprocessors));
      const double in_tile = double(tile.rows) * tile.columns;
      double seconds = waves * in_tile * (double(depth) + tile_overhead_in_k) / (tile.speed * 1e12);
      if (parts > 1) seconds += second_pass_seconds + 2 * double(bytes) * second_per_byte;
      if (best.depth_of_part != 0 && seconds >= best.seconds) continue;
      best = {o, int(parts), depth, seconds,
              double(m) * double(n) * double(parts) / (waves * multiprocessors * in_tile)};
    }
  }
  return best;
}

}  // namespace quern::inline QUERN_ABI::kernels
