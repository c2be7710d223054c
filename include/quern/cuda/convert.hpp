/// Launchers of conversions between float and bf16, for many parameters at once; the kernels stand in
/// kernels/convert.cuh. One array at a time: `cuda::convert` of tensor/device_memory.hpp.
#pragma once
#include <quern/base/dtype.hpp>

namespace quern::inline QUERN_ABI::cuda {

/// A parameter in float and its working copy, or the gradients of the two.
struct MixedParameter {
  float* exact;
  bf16* low;
  char *marks, *low_marks;   // of the rows of gradients; null: all of them count
  std::int64_t size, width;  // elements, and how many of them make a row
};

/// exact += low; low and its marks are clear afterwards. Rows that are marked in `low` are marked in `exact`, where
/// that has marks.
void collect(const MixedParameter* parameters, std::int64_t n);
/// low = exact, rounded.
void refresh(const MixedParameter* parameters, std::int64_t n);

}  // namespace quern::inline QUERN_ABI::cuda
