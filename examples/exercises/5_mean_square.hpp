/// Exercise 5. The mean of the squares, a loss.
///
///   y(0, 0) = 1/n Σ_i x_i²            over all n elements
///   dx_i = ?
#pragma once
#include "matrix.hpp"

namespace exercise {

/// [B, C] → [1, 1]
inline Matrix mean_square(const Matrix& x) {
  Matrix y(1, 1);
  for (const double v : x.span()) y(0, 0) += v * v / double(x.size());
  return y;
}

/// dy [1, 1] → dx [B, C]
inline std::tuple<Matrix> mean_square_backward(const Matrix& dy, const Matrix& x) {
  Matrix dx = like(x);
  for (std::int64_t i = 0; i < x.size(); ++i) dx.data()[i] = dy(0, 0) * 2 * x.data()[i] / double(x.extent(0));
  return {dx};
}

}  // namespace exercise
