/// Exercise 4. The larger of x and zero.
///
///   y = max(x, 0)
///   dx = ?
#pragma once
#include "matrix.hpp"

namespace exercise {

/// [B, C] → [B, C]
inline Matrix relu(const Matrix& x) {
  Matrix y = like(x);
  for (std::int64_t i = 0; i < x.size(); ++i) y.data()[i] = x.data()[i] > 0 ? x.data()[i] : 0;
  return y;
}

/// dy [B, C] → dx [B, C]
inline std::tuple<Matrix> relu_backward(const Matrix& dy, const Matrix&) { return {dy}; }

}  // namespace exercise
