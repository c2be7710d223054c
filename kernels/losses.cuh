/// What the losses over labelled texts share: a label that is checked, and the mean over texts that have weights.
#pragma once
#include "kernels/fault.cuh"
#include "kernels/reduce.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// Where a kernel reports what is wrong, and in whose name.
struct Complaint {
  cuda::Fault* fault;
  const char* op;
};

/// The label of text b. One that is no class is reported by the thread with `reports`, and 0 stands for it: nothing is
/// read or written out of place.
__device__ __forceinline__ int label_of(View<const std::int32_t, 1> labels, std::int64_t b, int classes, bool reports,
                                        const Complaint& complaint) {
  const int label = labels(b);
  if (label >= 0 && label < classes) return label;
  if (reports) report_fault(complaint.fault, cuda::FaultKind::label, b, label, classes, complaint.op);
  return 0;
}

/// 1 where there are no weights.
template <class T>
__device__ __forceinline__ float weight_of(const T* weights, int c) {
  return weights ? float(weights[c]) : 1.f;
}

/// Of each text: its loss, not yet divided, and its weight; `slopes`, where there are some, wait for that division too.
struct TextLosses {
  const float *losses, *weights;
  double* slopes;
  std::int64_t texts;
};

/// Grid: one block of 512. loss = Σ losses / Σ weights, sums in double and in an order that is always the same;
/// totals = Σ weights, Σ_c class_weights(c). Class weights that are no weights are reported.
template <class T>
__global__ void __launch_bounds__(512) finish_text_losses(TextLosses of, const T* class_weights, std::int64_t classes,
                                                          double* totals, T* loss, Complaint complaint) {
  struct Shared {
    double partial[32];
  };
  auto& s = shared_memory<Shared>();
  double sum = 0, total = 0, all = 0;
  for (std::int64_t b = threadIdx.x; b < of.texts; b += blockDim.x)
    sum += double(of.losses[b]), total += double(of.weights[b]);
  for (std::int64_t c = threadIdx.x; c < classes; c += blockDim.x) {
    const float w = weight_of(class_weights, int(c));
    if (!(w >= 0 && w < infinity))
      report_fault(complaint.fault, cuda::FaultKind::class_weight, c, cuda::fault_value(double(w)), classes,
                   complaint.op);
    all += double(w);
  }
  sum = block_sum(sum, s.partial);
  total = block_sum(total, s.partial);
  all = block_sum(all, s.partial);
  for (std::int64_t b = threadIdx.x; of.slopes && b < of.texts; b += blockDim.x) of.slopes[b] /= total;
  if (threadIdx.x != 0) return;
  if (total == 0) report_fault(complaint.fault, cuda::FaultKind::no_weight, 0, 0, 0, complaint.op);
  *loss = T(sum / total);
  if (totals) totals[0] = total, totals[1] = all;
}

#if !defined(__CUDACC_RTC__)
template <class T>
void launch_finish(const char* op, const TextLosses& of, const T* class_weights, std::int64_t classes, double* totals,
                   T* loss) {
  launch(op, finish_text_losses<T>, {.grid = {1}, .block = {512}, .shared = 32 * sizeof(double)}, of, class_weights,
         classes, totals, loss, Complaint{cuda::fault(), op});
}
#endif

}  // namespace quern::inline QUERN_ABI::kernels
