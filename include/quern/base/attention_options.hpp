/// The settings of attention, as the op, its bodies and its launchers take them.
///
///   AttentionOptions{.heads = 12, .dropout = 0.1}
#pragma once
#include <quern/base/config.hpp>
#include <quern/base/freestanding.hpp>

namespace quern::inline QUERN_ABI {

/// `heads` divides the columns. `causal`: row t attends to the rows up to t alone. `dropout`: of the probabilities.
struct AttentionOptions {
  std::int64_t heads = 1;
  bool causal = false;
  double dropout = 0;
};

/// Where the dropout mask is addressed: query n of a batch of `rows` rows and key j of its text are element
/// n · attention_mask_stride(rows) + j of the stream of their head.
QUERN_HD constexpr std::int64_t attention_mask_stride(std::int64_t rows) { return (rows + 3) / 4 * 4; }

}  // namespace quern::inline QUERN_ABI
