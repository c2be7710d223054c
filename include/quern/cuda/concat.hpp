/// Launchers of concat; the kernels stand in kernels/concat.cuh. For float and bf16.
#pragma once
#include <vector>

#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

/// y = [part_1, part_2, …]; up to eight parts a launch.
template <class T>
void concat(const std::vector<View<const T, 2>>& parts, View<T, 2> y);
/// part_i = the columns of dy that it became.
template <class T>
void concat_backward(View<const T, 2> dy, const std::vector<View<T, 2>>& parts);

}  // namespace quern::inline QUERN_ABI::cuda
