/// What a program of nvcc's own does with the kernels: includes one, launches it on a stream of its own, and links no
/// library of Quern's. tests/kernels/nvcc.sh compiles it, against the tree as it is installed.
#include <cuda_runtime.h>

#include "kernels/softmax.cuh"

/// x, y [rows, columns] on the device.
void softmax_of_rows(const float* x, float* y, std::int64_t rows, std::int64_t columns, cudaStream_t stream) {
  using namespace quern;
  const View<const float, 2> from{x, {rows, columns}};
  const View<float, 2> to{y, {rows, columns}};
  kernels::softmax_plain<float><<<unsigned(rows), 256, sizeof(kernels::RowShared), stream>>>(from, to);
}
