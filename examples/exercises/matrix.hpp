/// What the exercises share: matrices of double.
///
///   Matrix y = like(x);                  // zeros of the same extents
#pragma once
#include <tuple>

#include <quern/autograd/custom_op.hpp>

namespace exercise {

using Matrix = quern::Tensor<double, 2>;

inline Matrix like(const Matrix& x) { return Matrix(x.extent(0), x.extent(1)); }

}  // namespace exercise
