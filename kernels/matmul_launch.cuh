/// Host side of matmul: which kernel computes a product, and why. `matmul_launch` is the one place that decides.
///
///   matmul_launch("linear", a, b, depth, out, {});       // operands of kernels/matmul_operands.cuh
#pragma once
#include <quern/cuda/matmul.hpp>
#include <quern/cuda/runtime.hpp>
#include <quern/tensor/pool.hpp>

#include "kernels/launch.cuh"
#include "kernels/matmul.cuh"
#include "kernels/matmul_plan.hpp"

namespace quern::inline QUERN_ABI::kernels {
using cuda::MatmulChoice;
using cuda::MatmulVariant;

/// What a caller may ask for.
struct MatmulRequest {
  int variant = -1;            // a MatmulVariant; -1: the best
  int parts = 0;               // that K is cut into; 0: the best
  cuda::MatmulTile tile = {};  // none: the best
};

/// The tiles that a kind of product has kernels for, and what each is good for (see TileOption).
template <class... E>
struct Engines {
  static constexpr TileOption options[sizeof...(E)] = {{E::rows, E::columns, E::speed, sizeof(typename E::Shared)}...};
  /// f<Engine>() of engine number `which`.
  template <class F>
  static void with(int which, const F& f) {
    int at = 0;
    ((at++ == which ? f.template operator()<E>() : void()), ...);
  }
};

/// An engine with its speed, which is an estimate until it has been measured.
template <class Engine, int billions>
struct Rated : Engine {
  static constexpr double speed = billions * 1e-3;
};

using ExactEngines = Engines<Rated<RegisterBlocked<128, 128>, 200>, Rated<RegisterBlocked<64, 64>, 150>>;
using Tf32Engines =
    Engines<Rated<TensorCores<float, 128, 128, 2, 4, 4, 2>, 800>, Rated<TensorCores<float, 64, 64, 2, 2, 4, 4>, 500>>;
using SimpleEngines = Engines<Rated<TensorCores<bf16, 64, 64, 2, 2, 1, 4>, 400>>;
using PipelinedEngines =
    Engines<Rated<TensorCores<bf16, 128, 128, 2, 4, 4, 2>, 1700>, Rated<TensorCores<bf16, 64, 64, 2, 2, 4, 4>, 1000>>;
/// With every shape that keeps the waves of BERT's products full.
using AllPipelinedEngines =
    Engines<Rated<TensorCores<bf16, 128, 128, 2, 4, 4, 2>, 1700>, Rated<TensorCores<bf16, 128, 192, 2, 4, 4>, 1750>,
            Rated<TensorCores<bf16, 192, 96, 4, 2, 4>, 1600>, Rated<TensorCores<bf16, 128, 96, 4, 2, 4, 2>, 1500>,
            Rated<TensorCores<bf16, 64, 64, 2, 2, 4, 4>, 1000>>;

/// Of wgmma, whose rate mma.sync does not reach on sm_90.
using HopperEngines = Engines<Rated<HopperTile<128, 5>, 2700>, Rated<HopperTile<192, 4>, 2850>,
                              Rated<HopperTile<256, 3>, 2950>, Rated<HopperTile<96, 5>, 2300>>;

/// How many elements of T can be loaded at once from rows of `extent` elements that begin at `p`.
template <class T>
int widest_pack(const void* p, std::int64_t extent) {
  for (int width = pack_width<T>; width >= 4; width /= 2)
    if (reinterpret_cast<std::uintptr_t>(p) % (width * sizeof(T)) == 0 && extent % width == 0) return width;
  return 1;
}
template <class T, bool k_inside>
int widest_pack(const MatrixOperand<T, k_inside>& operand) {
  return widest_pack<T>(operand.data, operand.length);
}

inline const cuda::DeviceInfo& device_info() {
  static const auto devices = cuda::devices();
  return devices[std::size_t(cuda::current_device())];
}
inline int multiprocessors() { return std::max(1, device_info().multiprocessors); }

/// y in the order of its rows.
struct RowMajor {
  std::int64_t n;
  QUERN_HD std::int64_t operator()(std::int64_t i, std::int64_t j) const { return i * n + j; }
};

/// `run(out)` launches the product, cut as `plan` says. Where it is cut, and where `place` is not the order of rows,
/// its parts go to memory of their own and a second pass adds them.
template <class T, class Place, class Run>
void in_parts(MatmulOutput<T> out, const MatmulPlan& plan, const Place& place, const Run& run) {
  if (plan.parts == 1 && std::is_same_v<Place, RowMajor>) return run(out);
  const Storage parts(std::size_t(plan.parts * out.m * out.n) * sizeof(float), Device::cuda(cuda::current_device()));
  out.parts = static_cast<float*>(parts.data());
  run(out);
  launch("matmul_add_parts", matmul_add_parts<T, Place>,
         {.grid = {unsigned((out.m * out.n + 255) / 256)}, .block = {256}}, out, plan.parts, place);
}

template <class Engine>
unsigned tiles_of(std::int64_t m, std::int64_t n) {
  return unsigned((m + Engine::rows - 1) / Engine::rows * ((n + Engine::columns - 1) / Engine::columns));
}

template <class Engine, int width, class T, class A, class B>
void launch_tiles(const char* name, const A& a, const B& b, std::int64_t depth, const MatmulOutput<T>& out,
                  const MatmulPlan& plan) {
  launch(name, matmul_tiles<Engine, width, A, B, T>,
         {.grid = {tiles_of<Engine>(out.m, out.n), unsigned(plan.parts)},
          .block = {Engine::threads},
          .shared = sizeof(typename Engine::Shared)},
         a, b, out, depth, plan.depth_of_part);
}

inline PlanLimits limits_of(const MatmulRequest& request) {
  return {.parts = request.parts,
          .rows = request.tile.rows,
          .columns = request.tile.columns,
          .shared = device_info().shared_memory};
}

/// The best tile of these engines.
template <class List, int... widths, class T, class A, class B, class Place>
MatmulChoice launch_best(MatmulVariant variant, const char* why, const char* name, const A& a, const B& b,
                         std::int64_t depth, const MatmulOutput<T>& out, int width, const MatmulRequest& request,
                         const Place& place) {
  const auto plan = plan_matmul(out.m, out.n, depth, List::options, multiprocessors(), limits_of(request));
  in_parts(out, plan, place, [&](const MatmulOutput<T>& to) {
    List::with(plan.option, [&]<class Engine>() {
      ((width == widths ? launch_tiles<Engine, widths>(name, a, b, depth, to, plan) : void()), ...);
    });
  });
  const auto& tile = List::options[plan.option];
  return {variant, tile.rows, tile.columns, plan.parts, why};
}

/// Whether the tensor cores of sm_90a can take these operands as they lie: K along the lines, whole 16 bytes.
template <class A, class B>
bool fits_hopper(int width, std::int64_t depth) {
  const bool has_wgmma = device_info().major == 9 && device_info().minor == 0;
  return is_matrix<A> && A::k_inside && is_matrix<B> && B::k_inside && width == 8 && depth > 0 && has_wgmma;
}
inline MatmulPlan plan_hopper(std::int64_t m, std::int64_t n, std::int64_t k, const MatmulRequest& request) {
  auto limits = limits_of(request);
  limits.depth_unit = 64;
  return plan_matmul(m, n, k, HopperEngines::options, multiprocessors(), limits);
}

template <class T, class A, class B, class Place>
MatmulChoice launch_hopper(const char* why, const A& a, const B& b, std::int64_t depth, const MatmulOutput<T>& out,
                           const MatmulRequest& request, const Place& place) {
  const auto plan = plan_hopper(out.m, out.n, depth, request);
  const auto& tile = HopperEngines::options[plan.option];
  const MatmulChoice choice{MatmulVariant::hopper, tile.rows, tile.columns, plan.parts, why};
  if (out.m == 0 || out.n == 0) return choice;
  in_parts(out, plan, place, [&](const MatmulOutput<T>& to) {
    HopperEngines::with(plan.option, [&]<class Tile>() {
      const unsigned tiles = tiles_of<Tile>(out.m, out.n), pieces = tiles * unsigned(plan.parts);
      launch("matmul_hopper", matmul_hopper<Tile>,
             {.grid = {std::min(pieces, unsigned(multiprocessors()))},
              .block = {Tile::threads},
              .shared = sizeof(typename Tile::Shared)},
             make_tensor_map(a.data, out.m, a.length, Tile::rows, Tile::depth),
             make_tensor_map(b.data, out.n, b.length, Tile::columns, Tile::depth), to,
             HopperWork{depth, plan.depth_of_part, tiles, plan.parts});
    });
  });
  return choice;
}

/// Whether the model prefers wgmma, where it fits: very small products fill more multiprocessors in small tiles.
template <class A, class B>
bool prefers_hopper(int width, std::int64_t m, std::int64_t n, std::int64_t depth, const MatmulRequest& request) {
  if (!fits_hopper<A, B>(width, depth) || (request.variant >= 0 && request.variant != int(MatmulVariant::hopper)))
    return false;
  const auto other = plan_matmul(m, n, depth, AllPipelinedEngines::options, multiprocessors(), limits_of(request));
  return request.variant >= 0 || plan_hopper(m, n, depth, request).seconds < other.seconds;
}

// snippet: kernel-launch
/// Which kernel computes A B, and why. A and B are operands of T; `place` says where in y an element goes.
template <class T, class A, class B, class Place>
MatmulChoice matmul_launch(const char* name, const A& a, const B& b, std::int64_t depth, const MatmulOutput<T>& out,
                           const MatmulRequest& request, const Place& place) {
  using V = MatmulVariant;
  require(std::max({out.m, out.n, depth}) <= largest_extent, name, ": a product of ", out.m, " x ", depth, " by ",
          depth, " x ", out.n, "; at most ", largest_extent, " each way");
  const int width = std::min(widest_pack(a), widest_pack(b));
  const auto wanted = [&](V v) { return request.variant == int(v); };
  if constexpr (std::is_same_v<T, float>) {
    const bool rounded =
        wanted(V::tf32) || (request.variant < 0 && cuda::float_products() == cuda::FloatProducts::tf32);
    if (rounded && width == 4)
      return launch_best<Tf32Engines, 4>(V::tf32, "use_float_products allows 10 bits", name, a, b, depth, out, width,
                                         request, place);
    return launch_best<ExactEngines, 4, 1>(
        V::register_blocked,
        rounded ? "rows of floats that are no multiple of 16 bytes" : "products of floats are exact", name, a, b, depth,
        out, width, request, place);
  } else {
    if (wanted(V::tensor_cores) || width == 1)
      return launch_best<SimpleEngines, 8, 1>(V::tensor_cores, "rows of bf16 that are no multiple of 8 bytes", name, a,
                                              b, depth, out, width == 8 ? 8 : 1, request, place);
    if constexpr (is_matrix<A> && is_matrix<B>) {
      if (prefers_hopper<A, B>(width, out.m, out.n, depth, request))
        return launch_hopper("bf16 on sm_90, K along the lines of both", a, b, depth, out, request, place);
    }
    if (width == 4)
      return launch_best<PipelinedEngines, 4>(V::pipelined, "bf16 with rows of whole 8 bytes", name, a, b, depth, out,
                                              width, request, place);
    constexpr bool common = is_matrix<A> && is_matrix<B> && (A::k_inside || !B::k_inside);  // not both transposed
    using List = std::conditional_t<common, AllPipelinedEngines, PipelinedEngines>;
    return launch_best<List, 8>(V::pipelined, "bf16 with rows of whole 16 bytes", name, a, b, depth, out, width,
                                request, place);
  }
}

// end

/// y = function(A B + bias) + residual, both operands matrices as they lie.
template <class T>
MatmulOutput<T> output_of(View<T, 2> y, const cuda::MatmulEpilogue<T>& epilogue) {
  const auto at_16_bytes = [](const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; };
  const bool packs = y.extent(1) % pack_width<T> == 0 && at_16_bytes(y.data) && at_16_bytes(epilogue.bias) &&
                     at_16_bytes(epilogue.residual);
  return {y.data, y.extent(0), y.extent(1), epilogue.bias, epilogue.residual, epilogue.function, nullptr, packs};
}

/// f(A, B) with the operands of a product of matrices, either of them transposed.
template <class T, class F>
auto with_operands(View<const T, 2> a, Transpose ta, View<const T, 2> b, Transpose tb, const F& f) {
  const auto with_a = [&](const auto& left) {
    if (tb == Transpose::yes) return f(left, MatrixOperand<T, true>{b.data, b.extent(1)});
    return f(left, MatrixOperand<T, false>{b.data, b.extent(1)});
  };
  if (ta == Transpose::no) return with_a(MatrixOperand<T, true>{a.data, a.extent(1)});
  return with_a(MatrixOperand<T, false>{a.data, a.extent(1)});
}

}  // namespace quern::inline QUERN_ABI::kernels
