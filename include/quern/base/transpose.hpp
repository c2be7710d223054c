/// How an operand of a product is taken.
///
///   cpu::matmul(q.view(), Transpose::no, k.view(), Transpose::yes, scores.view());     // q kᵀ
#pragma once
#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI {

/// Whether an operand of a product is taken as it lies or transposed.
enum class Transpose { no, yes };

}  // namespace quern::inline QUERN_ABI
