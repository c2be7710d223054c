/// Kernels of matmul: y = function(A B + bias) + residual. A ladder, each rung a whole product:
///
///   naive              one thread an element                          kernels/matmul_simt.cuh
///   tiled              tiles of A and B in shared memory
///   register_blocked   8 x 8 elements a thread, 16 bytes a load
///   tensor_cores       bf16: ldmatrix and mma.sync                    kernels/matmul_tensor_cores.cuh
///   pipelined          copies under way while tiles are multiplied
///   tf32               the same of floats, rounded to 10 bits
///   hopper             TMA and wgmma (sm_90a)                         kernels/matmul_hopper.cuh
///
/// Which one is launched for which product: kernels/matmul_launch.cuh.
#pragma once
#include "kernels/matmul_hopper.cuh"
#include "kernels/matmul_simt.cuh"
#include "kernels/matmul_tensor_cores.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// How many blocks of an engine a multiprocessor shall have at once, which limits their registers. Addresses take many
/// where elements are loaded one by one, and some where loads are short or an operand is gathered.
template <class Engine, int width, class A, class B>
QUERN_HD constexpr int blocks_for() {
  if (width == 1) return (Engine::blocks_wanted + 1) / 2;
  const bool direct = is_matrix<A> && is_matrix<B> && width == pack_width<typename A::Element>;
  return direct ? Engine::blocks_wanted : Engine::blocks_wanted * 3 / 4;
}
template <class Engine, int width, class A, class B>
inline constexpr int blocks_wanted = blocks_for<Engine, width, A, B>();

/// One block a tile of y and a part of K: grid (tiles, parts), block Engine::threads. `width` elements of an operand
/// are loaded at once. The engine is RegisterBlocked or TensorCores: what they have in common is all that stands here.
template <class Engine, int width, class A, class B, class T>
__global__ void __launch_bounds__(Engine::threads, blocks_wanted<Engine, width, A, B>)
    matmul_tiles(A a, B b, MatmulOutput<T> out, std::int64_t depth, std::int64_t depth_of_part) {
  auto& s = shared_memory<typename Engine::Shared>();
  const TilePlace tile = tile_of_block(Engine::rows, Engine::columns, out.m, out.n, depth, depth_of_part);
  Engine engine;
  engine.template run<width>(s, a, b, out.m, out.n, tile);
  engine.each_group(
      s, [&](int i, int j, const auto& sums) { out.store_row(tile.row + i, tile.column + j, tile.part, sums); });
}

}  // namespace quern::inline QUERN_ABI::kernels
