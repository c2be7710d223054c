#include <quern/cuda/cross_entropy.hpp>
#include <quern/cuda/runtime.hpp>
#include <quern/tensor/tensor.hpp>

#include "kernels/cross_entropy.cuh"

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void cross_entropy(View<const T, 2> logits, View<const std::int32_t, 1> labels, const T* weights, double smoothing,
                   View<float, 2> probabilities, double* totals, T* loss) {
  const std::int64_t rows = logits.extent(0), classes = logits.extent(1);
  const kernels::CrossEntropyTerms<T> terms{labels, weights, float(smoothing)};
  const kernels::Complaint complaint{fault(), "cross_entropy"};
  auto of_texts = kernels::float_workspace(2 * rows);
  float *losses = of_texts.data(), *text_weights = losses + rows;
  kernels::with_row_plan<T>(
      classes, kernels::rows_fit_packs<T>(classes, logits.data, probabilities.data),
      [&](auto plan) {
        using Plan = decltype(plan);
        kernels::launch("cross_entropy", kernels::cross_entropy<T, Plan>, kernels::row_launch<Plan>(rows, classes),
                        logits, terms, probabilities, losses, text_weights, complaint);
      },
      [&] {
        kernels::launch("cross_entropy", kernels::cross_entropy_plain<T>, kernels::plain_launch(rows), logits, terms,
                        probabilities, losses, text_weights, complaint);
      });
  kernels::launch_finish("cross_entropy", {losses, text_weights, nullptr, rows}, weights, classes, totals, loss);
}

template <class T>
void cross_entropy_backward(const T* dloss, View<const float, 2> probabilities, View<const std::int32_t, 1> labels,
                            const T* weights, double smoothing, const double* totals, View<T, 2> dlogits) {
  const std::int64_t rows = dlogits.extent(0), classes = dlogits.extent(1);
  const kernels::CrossEntropyTerms<T> terms{labels, weights, float(smoothing)};
  const bool in_packs = kernels::rows_fit_packs<float>(classes, probabilities.data, dlogits.data);
  kernels::with_row_walk<4>(classes, in_packs, [&](auto walk) {
    using Walk = decltype(walk);
    kernels::launch("cross_entropy_backward", kernels::cross_entropy_backward<T, Walk>,
                    kernels::walk_launch<Walk>(rows), dloss, probabilities, terms, totals, dlogits);
  });
}

#define QUERN_INSTANTIATE(T)                                                                                          \
  template void cross_entropy(View<const T, 2>, View<const std::int32_t, 1>, const T*, double, View<float, 2>,        \
                              double*, T*);                                                                           \
  template void cross_entropy_backward(const T*, View<const float, 2>, View<const std::int32_t, 1>, const T*, double, \
                                       const double*, View<T, 2>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
