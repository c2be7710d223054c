/// What a kernel found wrong with its data: an id beyond its table, say. Kernels write it (kernels/fault.cuh), the host
/// throws it at the next synchronisation (cuda/runtime.hpp). The first one is kept until then.
#pragma once
#include <quern/base/config.hpp>
#include <quern/base/freestanding.hpp>

namespace quern::inline QUERN_ABI::cuda {

enum class FaultKind : int { none, id, label, empty_text, class_weight, pos_weight, no_weight, target, probability };
struct Fault {
  int kind;  // a FaultKind; claimed by compare-and-swap
  std::int64_t place, value, limit;
  const char* op;  // its name, in the host's memory; null where the kind says it
};

/// How a number that is no integer travels in `value`.
QUERN_HD constexpr std::int64_t fault_value(double x) { return __builtin_bit_cast(std::int64_t, x); }

}  // namespace quern::inline QUERN_ABI::cuda
