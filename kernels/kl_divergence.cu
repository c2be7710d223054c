#include <quern/cuda/kl_divergence.hpp>
#include <quern/cuda/runtime.hpp>
#include <quern/tensor/tensor.hpp>

#include "kernels/kl_divergence.cuh"

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void kl_divergence(View<const T, 2> log_probabilities, View<const T, 2> targets, T* loss) {
  const kernels::KlDivergence term{targets.extent(1), {fault(), "kl_divergence"}};
  const auto sums = kernels::sum_terms<T>("kl_divergence", targets.size(), term, log_probabilities.data, targets.data);
  kernels::finish_sum("kl_divergence", sums, double(targets.extent(0)), loss);
}
template <class T>
void kl_divergence_backward(const T* dloss, View<const T, 2> targets, View<T, 2> dlog_probabilities) {
  kernels::elementwise("kl_divergence_backward", dlog_probabilities.data, targets.size(),
                       kernels::KlDivergenceBackward<T>{dloss, float(-1 / double(targets.extent(0)))}, targets.data);
}

template <class T>
void kl_divergence_with_logits(View<const T, 2> logits, View<const T, 2> target_logits, double temperature,
                               View<float, 2> difference, T* loss) {
  const char* op = "kl_divergence_with_logits";
  const std::int64_t rows = logits.extent(0), n = logits.extent(1);
  auto losses = kernels::float_workspace(rows);
  kernels::with_row_plan<T, 16, 512>(
      n, kernels::rows_fit_packs<T>(n, logits.data, target_logits.data, difference.data),
      [&](auto plan) {
        using Plan = decltype(plan);
        kernels::launch(op, kernels::kl_divergence_with_logits<T, Plan>, kernels::row_launch<Plan>(rows, n), logits,
                        target_logits, float(temperature), difference, losses.data());
      },
      [&] {
        kernels::launch(op, kernels::kl_divergence_with_logits_plain<T>, kernels::plain_launch(rows), logits,
                        target_logits, float(temperature), difference, losses.data());
      });
  kernels::finish_sum(op, losses, double(rows) / (temperature * temperature), loss);
}
template <class T>
void kl_divergence_with_logits_backward(const T* dloss, View<const float, 2> difference, double temperature,
                                        View<T, 2> dlogits) {
  const std::int64_t rows = dlogits.extent(0), n = dlogits.extent(1);
  const bool in_packs = kernels::rows_fit_packs<float>(n, difference.data, dlogits.data);
  kernels::with_row_walk<4>(n, in_packs, [&](auto walk) {
    using Walk = decltype(walk);
    kernels::launch("kl_divergence_with_logits_backward", kernels::kl_divergence_with_logits_backward<T, Walk>,
                    kernels::walk_launch<Walk>(rows), dloss, float(temperature / double(rows)), difference, dlogits);
  });
}

#define QUERN_INSTANTIATE(T)                                                                               \
  template void kl_divergence(View<const T, 2>, View<const T, 2>, T*);                                     \
  template void kl_divergence_backward(const T*, View<const T, 2>, View<T, 2>);                            \
  template void kl_divergence_with_logits(View<const T, 2>, View<const T, 2>, double, View<float, 2>, T*); \
  template void kl_divergence_with_logits_backward(const T*, View<const float, 2>, double, View<T, 2>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
