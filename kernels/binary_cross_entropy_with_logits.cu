#include <quern/cuda/binary_cross_entropy_with_logits.hpp>
#include <quern/cuda/runtime.hpp>
#include <quern/tensor/tensor.hpp>

#include "kernels/binary_cross_entropy_with_logits.cuh"

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void binary_cross_entropy_with_logits(View<const T, 2> logits, View<const T, 2> targets, const T* pos_weight,
                                      std::int64_t classes, T* loss) {
  const char* op = "binary_cross_entropy_with_logits";
  const std::int64_t n = logits.size();
  const kernels::BinaryCrossEntropy<T> term{pos_weight, classes, n, {fault(), op}};
  kernels::finish_sum(op, kernels::sum_terms<T>(op, n, term, logits.data, targets.data), double(n), loss);
}
template <class T>
void binary_cross_entropy_with_logits_backward(const T* dloss, View<const T, 2> logits, View<const T, 2> targets,
                                               const T* pos_weight, std::int64_t classes, View<T, 2> dlogits) {
  const char* name = "binary_cross_entropy_with_logits_backward";
  const std::int64_t n = logits.size();
  const auto factor = float(1 / double(n));
  if (!pos_weight || classes == 1)
    return kernels::elementwise(name, dlogits.data, n,
                                kernels::BinaryCrossEntropyBackward<T>{dloss, pos_weight, factor}, logits.data,
                                targets.data);
  const bool in_packs = kernels::rows_fit_packs<T>(classes, logits.data, targets.data, dlogits.data);
  kernels::with_row_walk<kernels::pack_width<T>>(classes, in_packs, [&](auto walk) {
    using Walk = decltype(walk);
    kernels::launch(name, kernels::binary_cross_entropy_backward<T, Walk>, kernels::walk_launch<Walk>(logits.extent(0)),
                    dloss, factor, logits, targets, pos_weight, dlogits);
  });
}

#define QUERN_INSTANTIATE(T)                                                                                      \
  template void binary_cross_entropy_with_logits(View<const T, 2>, View<const T, 2>, const T*, std::int64_t, T*); \
  template void binary_cross_entropy_with_logits_backward(const T*, View<const T, 2>, View<const T, 2>, const T*, \
                                                          std::int64_t, View<T, 2>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
