/// The one launch site: checks, names the kernel in errors, and goes to the current stream or to the emulator.
///
///   launch("layer_norm", kernels::layer_norm<T>,
///          {.grid = {rows}, .block = {128}, .shared = sizeof(kernels::LayerNormShared)}, x, weight, bias, y);
///
/// A grid with an extent of 0 launches nothing. With QUERN_CUDA_SYNC=1 in the environment every launch is waited for,
/// so that an error names its own kernel and not a later one.
#pragma once
#include "kernels/dialect.cuh"

#if !defined(__CUDACC_RTC__)
#include <cstdlib>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <quern/base/error.hpp>
#if defined(__CUDACC__)
#include <cuda_runtime.h>
#else
#include "kernels/emulator/emulator.hpp"
#include "kernels/emulator/recording.hpp"
#endif

namespace quern::inline QUERN_ABI::cuda {
void* current_stream();  // quern/cuda/runtime.hpp
struct Fault;
}  // namespace quern::inline QUERN_ABI::cuda

namespace quern::inline QUERN_ABI::kernels {

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
};

struct LaunchShape {
  Dim3 grid = {};
  Dim3 block = {};
  std::size_t shared = 0;  // bytes of shared memory: sizeof the kernel's struct
};

/// "layer_norm: grid (7, 1, 1), block (128, 1, 1), 512 bytes of shared memory": how errors name a launch.
inline std::string launch_text(const char* kernel, const LaunchShape& shape) {
  const auto extents = [](const Dim3& d) { return text_of("(", d.x, ", ", d.y, ", ", d.z, ")"); };
  return text_of(kernel, ": grid ", extents(shape.grid), ", block ", extents(shape.block), ", ", shape.shared,
                 " bytes of shared memory");
}

#if defined(__CUDACC__)
namespace detail {
inline void check_launch(cudaError_t status, const char* kernel, const LaunchShape& shape) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // forget it, unless it is one that stays
  throw_error(
      text_of(launch_text(kernel, shape), ": ", cudaGetErrorString(status), " (", cudaGetErrorName(status), ")"));
}
inline bool sync_after_launch() {
  static const bool wanted = [] {
    const char* value = std::getenv("QUERN_CUDA_SYNC");
    return value && *value && *value != '0';
  }();
  return wanted;
}
/// While a graph is recorded nothing runs that could be waited for.
inline bool is_recorded(cudaStream_t stream) {
  cudaStreamCaptureStatus status{};
  return cudaStreamIsCapturing(stream, &status) == cudaSuccess && status != cudaStreamCaptureStatusNone;
}
}  // namespace detail
#else
namespace detail {
/// Where the device's memory is protected: an argument that points to memory of the host's, which a GPU cannot read.
/// Looks at pointers and at the `data` of views and operands, not into other structs.
template <class P>
void check_argument([[maybe_unused]] const char* kernel, [[maybe_unused]] const P& argument) {
  if constexpr (std::is_pointer_v<P>) {
    using Pointee = std::remove_cv_t<std::remove_pointer_t<P>>;
    if constexpr (!std::is_same_v<Pointee, char> && !std::is_same_v<Pointee, cuda::Fault>)  // a name, and what both see
      emulator::check_on_device(kernel, argument);
  } else if constexpr (requires { requires std::is_pointer_v<decltype(argument.data)>; }) {
    bool empty = false;
    if constexpr (requires { argument.size(); }) empty = argument.size() == 0;
    if (!empty) emulator::check_on_device(kernel, argument.data);
  }
}

/// A kernel with its arguments, as the emulator runs it once for every thread.
template <class... P>
struct Call {
  void (*function)(P...);
  std::tuple<const P&...> arguments;

  static void one_thread(const void* call) { run(*static_cast<const Call*>(call), std::index_sequence_for<P...>()); }
  template <std::size_t... i>
  static void run(const Call& call, std::index_sequence<i...>) {
    call.function(std::get<i>(call.arguments)...);
  }
};
}  // namespace detail
#endif

/// Runs `function` for every thread of the grid. Arguments become the parameters' types and are copied.
template <class... P>
void launch(const char* kernel, void (*function)(P...), const LaunchShape& shape,
            const std::type_identity_t<P>&... args) {
  static_assert((std::is_trivially_copyable_v<P> && ...), "kernel arguments are copied byte by byte");
  static_assert((sizeof(P) + ... + 0) <= 4096, "kernel arguments are 4096 bytes at most");
  const Dim3& grid = shape.grid;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
#if defined(__CUDACC__)
  if (shape.shared > 48 * 1024)
    detail::check_launch(cudaFuncSetAttribute(reinterpret_cast<const void*>(function),
                                              cudaFuncAttributeMaxDynamicSharedMemorySize, int(shape.shared)),
                         kernel, shape);
  void* pointers[sizeof...(P) + 1] = {const_cast<void*>(static_cast<const void*>(&args))...};
  const auto stream = static_cast<cudaStream_t>(cuda::current_stream());
  detail::check_launch(
      cudaLaunchKernel(reinterpret_cast<const void*>(function), dim3(grid.x, grid.y, grid.z),
                       dim3(shape.block.x, shape.block.y, shape.block.z), pointers, shape.shared, stream),
      kernel, shape);
  if (detail::sync_after_launch() && !detail::is_recorded(stream))
    detail::check_launch(cudaStreamSynchronize(stream), kernel, shape);
#else
  if (emulator::is_recording() &&
      emulator::record_instead([=, name = std::string(kernel)] { launch(name.c_str(), function, shape, args...); }))
    return;
  (detail::check_argument<P>(kernel, args), ...);
  const detail::Call<P...> call{function, {args...}};
  emulator::run({.kernel = kernel,
                 .text = launch_text(kernel, shape),
                 .grid = {grid.x, grid.y, grid.z},
                 .block = {shape.block.x, shape.block.y, shape.block.z},
                 .shared = shape.shared,
                 .one_thread = detail::Call<P...>::one_thread,
                 .call = &call});
#endif
}

}  // namespace quern::inline QUERN_ABI::kernels
#endif
