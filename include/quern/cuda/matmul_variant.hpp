/// The names of matmul's kernels and settings. Kernels include this too: it needs no other header.
///
///   cuda::matmul_variant(cuda::MatmulVariant::tiled, a, Transpose::no, b, Transpose::no, y);
#pragma once
#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI::cuda {

/// Kernels that compute the same product, each a step faster than the one before: see docs/kernels.md.
enum class MatmulVariant : int { naive, tiled, register_blocked, tensor_cores, pipelined, tf32, hopper };

/// What is applied to each sum after the bias.
enum class MatmulFunction : int { none, relu, gelu };

/// How products of floats are computed: exactly in float, or on tensor cores, which see 10 bits after the point.
enum class FloatProducts : int { exact, tf32 };

}  // namespace quern::inline QUERN_ABI::cuda
