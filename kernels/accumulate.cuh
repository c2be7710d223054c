/// Sums into gradients, one number everywhere, and clearing the rows of one that were touched.
#pragma once
#include "kernels/elementwise.cuh"

namespace quern::inline QUERN_ABI::kernels {

struct Add {
  __device__ float operator()(float a, float b) const { return a + b; }
};

struct Value {
  float value;
  __device__ float operator()() const { return value; }
};

/// One warp a row: clears it where it is marked. `words` words a row.
template <class Word>
__global__ void zero_rows(Word* data, std::int64_t rows, std::int64_t words, const char* marks) {
  const std::int64_t row = std::int64_t(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
  if (row >= rows || !marks[row]) return;
  for (std::int64_t i = threadIdx.x % 32; i < words; i += 32) data[row * words + i] = 0;
}

}  // namespace quern::inline QUERN_ABI::kernels
