#include <quern/cuda/runtime.hpp>
#include <quern/cuda/triplet_margin_loss.hpp>
#include <quern/tensor/tensor.hpp>

#include "kernels/triplet_margin_loss.cuh"

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void triplet_margin_loss(View<const T, 2> anchors, View<const T, 2> positives, View<const T, 2> negatives,
                         double margin, T* loss) {
  const std::int64_t rows = anchors.extent(0), n = anchors.extent(1);
  auto losses = kernels::float_workspace(rows);
  const bool in_packs = kernels::rows_fit_packs<T>(n, anchors.data, positives.data, negatives.data);
  kernels::with_row_walk<kernels::pack_width<T>>(n, in_packs, [&](auto walk) {
    using Walk = decltype(walk);
    kernels::launch("triplet_margin_loss", kernels::triplet_margin_loss<T, Walk>, kernels::walk_launch<Walk>(rows),
                    kernels::Triplets<T>{anchors, positives, negatives, float(margin)}, losses.data());
  });
  kernels::finish_sum("triplet_margin_loss", losses, double(rows), loss);
}
template <class T>
void triplet_margin_loss_backward(const T* dloss, View<const T, 2> anchors, View<const T, 2> positives,
                                  View<const T, 2> negatives, double margin, View<T, 2> danchors, View<T, 2> dpositives,
                                  View<T, 2> dnegatives) {
  const std::int64_t rows = anchors.extent(0), n = anchors.extent(1);
  const bool in_packs = kernels::rows_fit_packs<T>(n, anchors.data, positives.data, negatives.data, danchors.data,
                                                   dpositives.data, dnegatives.data);
  kernels::with_row_walk<kernels::pack_width<T>>(n, in_packs, [&](auto walk) {
    using Walk = decltype(walk);
    kernels::launch("triplet_margin_loss_backward", kernels::triplet_margin_loss_backward<T, Walk>,
                    kernels::walk_launch<Walk>(rows), dloss, float(1 / double(rows)),
                    kernels::Triplets<T>{anchors, positives, negatives, float(margin)}, danchors, dpositives,
                    dnegatives);
  });
}

#define QUERN_INSTANTIATE(T)                                                                                         \
  template void triplet_margin_loss(View<const T, 2>, View<const T, 2>, View<const T, 2>, double, T*);               \
  template void triplet_margin_loss_backward(const T*, View<const T, 2>, View<const T, 2>, View<const T, 2>, double, \
                                             View<T, 2>, View<T, 2>, View<T, 2>);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
