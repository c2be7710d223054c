#include "kernels/accumulate.cuh"

#include <quern/cuda/runtime.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void accumulate(T* y, const T* x, std::int64_t n) {
  kernels::elementwise("accumulate", y, n, kernels::Add{}, static_cast<const T*>(y), x);
}
template void accumulate(float*, const float*, std::int64_t);
template void accumulate(bf16*, const bf16*, std::int64_t);

template <class T>
void fill(T* y, T value, std::int64_t n) {
  kernels::elementwise("fill", y, n, kernels::Value{float(value)});
}
template void fill(float*, float, std::int64_t);
template void fill(bf16*, bf16, std::int64_t);

void zero_rows(void* data, std::int64_t rows, std::size_t row_bytes, char* marks) {
  kernels::launch("zero_rows", kernels::zero_rows<std::uint16_t>, {.grid = {unsigned((rows + 3) / 4)}, .block = {128}},
                  static_cast<std::uint16_t*>(data), rows, std::int64_t(row_bytes / 2),
                  static_cast<const char*>(marks));
  set_bytes(marks, 0, std::size_t(rows), current_device());
}

}  // namespace quern::inline QUERN_ABI::cuda
