#include <quern/cuda/dropout.hpp>

#include "kernels/dropout.cuh"

namespace quern::inline QUERN_ABI::cuda {
namespace {

kernels::DropoutMask mask_of(double p, const Random& random, std::uint32_t op) {
  return {random.stream(op), std::uint32_t(p * 0x1p32), float(1 / (1 - p))};
}

}  // namespace

template <class T>
void dropout(View<const T, 2> x, View<T, 2> y, double p, const Random& random, std::uint32_t op) {
  using namespace kernels;
  const std::int64_t threads = (x.size() + dropout_width - 1) / dropout_width;
  launch("dropout", kernels::dropout<T>,
         {.grid = {unsigned((threads + dropout_threads - 1) / dropout_threads)}, .block = {dropout_threads}}, x.data,
         y.data, x.size(), starts_at_16_bytes(x.data, y.data), mask_of(p, random, op));
}
template <class T>
void dropout_slow(View<const T, 2> x, View<T, 2> y, double p, const Random& random, std::uint32_t op) {
  kernels::launch("dropout_slow", kernels::dropout_slow<T>,
                  {.grid = {unsigned((x.size() + 127) / 128)}, .block = {128}}, x.data, y.data, x.size(),
                  mask_of(p, random, op));
}

#define QUERN_INSTANTIATE(T)                                                                 \
  template void dropout(View<const T, 2>, View<T, 2>, double, const Random&, std::uint32_t); \
  template void dropout_slow(View<const T, 2>, View<T, 2>, double, const Random&, std::uint32_t);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
