#include <quern/cuda/focal_loss.hpp>
#include <quern/cuda/runtime.hpp>
#include <quern/tensor/tensor.hpp>

#include "kernels/focal_loss.cuh"

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void focal_loss(View<const T, 2> logits, View<const std::int32_t, 1> labels, const T* alpha, double gamma,
                View<float, 2> probabilities, View<double, 1> slopes, T* loss) {
  const std::int64_t rows = logits.extent(0), classes = logits.extent(1);
  const kernels::FocalTerms<T> terms{labels, alpha, float(gamma)};
  const kernels::Complaint complaint{fault(), "focal_loss"};
  auto of_texts = kernels::float_workspace(2 * rows);
  const kernels::FocalResults results{probabilities, of_texts.data(), of_texts.data() + rows, slopes.data};
  kernels::with_row_plan<T>(
      classes, kernels::rows_fit_packs<T>(classes, logits.data, probabilities.data),
      [&](auto plan) {
        using Plan = decltype(plan);
        kernels::launch("focal_loss", kernels::focal_loss<T, Plan>, kernels::row_launch<Plan>(rows, classes), logits,
                        terms, results, complaint);
      },
      [&] {
        kernels::launch("focal_loss", kernels::focal_loss_plain<T>, kernels::plain_launch(rows), logits, terms, results,
                        complaint);
      });
  kernels::launch_finish("focal_loss", {results.losses, results.weights, slopes.data, rows}, alpha, classes, nullptr,
                         loss);
}

template <class T>
void focal_loss_backward(const T* dloss, View<const float, 2> probabilities, View<const std::int32_t, 1> labels,
                         View<const double, 1> slopes, View<T, 2> dlogits) {
  const std::int64_t classes = dlogits.extent(1);
  const bool in_packs = kernels::rows_fit_packs<float>(classes, probabilities.data, dlogits.data);
  kernels::with_row_walk<4>(classes, in_packs, [&](auto walk) {
    using Walk = decltype(walk);
    kernels::launch("focal_loss_backward", kernels::focal_loss_backward<T, Walk>,
                    kernels::walk_launch<Walk>(dlogits.extent(0)), dloss, probabilities, labels, slopes, dlogits);
  });
}

#define QUERN_INSTANTIATE(T)                                                                                \
  template void focal_loss(View<const T, 2>, View<const std::int32_t, 1>, const T*, double, View<float, 2>, \
                           View<double, 1>, T*);                                                            \
  template void focal_loss_backward(const T*, View<const float, 2>, View<const std::int32_t, 1>,            \
                                    View<const double, 1>, View<T, 2>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
