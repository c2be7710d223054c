#include <quern/cuda/convert.hpp>
#include <quern/cuda/runtime.hpp>

#include "kernels/convert.cuh"

namespace quern::inline QUERN_ABI::cuda {

template <class X, class Y>
void convert(const X* x, Y* y, std::int64_t n) {
  const bool aligned = kernels::starts_at_16_bytes(x, y);
  const std::int64_t threads = aligned ? n / 8 + n % 8 : n;
  kernels::launch("convert", kernels::convert<X, Y>, {.grid = {unsigned((threads + 255) / 256)}, .block = {256}}, x, y,
                  n, aligned);
}
template void convert(const float*, bf16*, std::int64_t);
template void convert(const bf16*, float*, std::int64_t);

namespace {

template <class F>
void update(const char* name, const MixedParameter* parameters, std::int64_t n, const F& f) {
  for (std::int64_t first = 0; first < n; first += kernels::parameters_at_once) {
    kernels::MixedParameters list{};
    list.count = int(n - first < kernels::parameters_at_once ? n - first : kernels::parameters_at_once);
    unsigned chunks = 0;
    for (int i = 0; i < list.count; ++i) {
      const auto& p = list.of[i] = parameters[first + i];
      list.aligned[i] = kernels::starts_at_16_bytes(p.exact, p.low);
      list.first_chunk[i] = chunks;
      chunks += unsigned((p.size + kernels::mixed_chunk - 1) / kernels::mixed_chunk);
    }
    list.first_chunk[list.count] = chunks;
    kernels::launch(name, kernels::update_mixed<F>, {.grid = {chunks}, .block = {kernels::update_threads}}, list, f);
  }
}

}  // namespace

void collect(const MixedParameter* parameters, std::int64_t n) {
  update("collect", parameters, n, kernels::Collect{});
  for (std::int64_t i = 0; i < n; ++i)
    if (const auto& p = parameters[i]; p.low_marks)
      set_bytes(p.low_marks, 0, std::size_t(p.size / p.width), current_device());
}
void refresh(const MixedParameter* parameters, std::int64_t n) { update("refresh", parameters, n, kernels::Refresh{}); }

}  // namespace quern::inline QUERN_ABI::cuda
