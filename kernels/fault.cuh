/// How a kernel says that its data is wrong. Contents of tensors are not looked at on the host, which would wait.
///
///   if (id < 0 || id >= vocabulary) report_fault(fault, cuda::FaultKind::id, position, id, vocabulary);
///
/// The launcher passes `cuda::fault()` and, where several ops have that kind of fault, the op's name: a pointer that
/// the kernel hands on and does not follow. The kernel goes on with something harmless: its results are never seen, for
/// the next copy to the host throws.
#pragma once
#include <quern/cuda/fault.hpp>

#include "kernels/dialect.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// Any thread, by itself. Of several faults one is kept.
__device__ inline void report_fault(cuda::Fault* fault, cuda::FaultKind kind, std::int64_t place, std::int64_t value,
                                    std::int64_t limit, const char* op = nullptr) {
  if (atomicCAS(&fault->kind, int(cuda::FaultKind::none), int(kind)) != int(cuda::FaultKind::none)) return;
  fault->place = place, fault->value = value, fault->limit = limit, fault->op = op;
}

}  // namespace quern::inline QUERN_ABI::kernels
