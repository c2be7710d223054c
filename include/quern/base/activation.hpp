/// The functions that `linear` and `matmul` can apply to their result while it is still in registers.
///
///   cpu::gemm(rows, filters, width, x, w, y, filters, bias, Activation::relu);
#pragma once
#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI {

/// What is applied to each element after the bias: nothing, or relu(x) = max(x, 0), which keeps NaN.
enum class Activation { none, relu };

}  // namespace quern::inline QUERN_ABI
