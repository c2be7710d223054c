/// Launcher of an attack's step; the kernel stands in kernels/ascend.cuh. See train/adversarial.hpp.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

/// For each text: r = Π(r + step · g / ‖g‖), Π into the ball of radius epsilon.
template <class T>
void ascend(View<T, 2> r, View<const T, 2> gradient, View<const std::int64_t, 1> offsets, double step, double epsilon);

}  // namespace quern::inline QUERN_ABI::cuda
