/// Launchers of info_nce; the kernels stand in kernels/info_nce.cuh. As in
/// cpu/info_nce.hpp, for float and bf16; what is one number there, stands in the device's memory here. Products are
/// those of cuda/matmul.hpp, the loss that of cuda/cross_entropy.hpp.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void unit_rows(View<const T, 2> x, double s, View<float, 2> y, View<double, 1> norms);
template <class T>
void unit_rows_backward(View<const float, 2> dy, View<const float, 2> y, View<const double, 1> norms, double s,
                        View<T, 2> dx);

/// y = s x; between float and bf16 either way, or float alone.
template <class X, class Y>
void scale_rows(View<const X, 2> x, double s, View<Y, 2> y);

/// ids[i] = i
void count_up(View<std::int32_t, 1> ids);

}  // namespace quern::inline QUERN_ABI::cuda
