/// Exercise 1. The difference of two matrices.
///
///   y = a - b
///   da = ?,  db = ?
#pragma once
#include "matrix.hpp"

namespace exercise {

/// [B, C], [B, C] → [B, C]
inline Matrix subtract(const Matrix& a, const Matrix& b) {
  Matrix y = like(a);
  for (std::int64_t i = 0; i < y.size(); ++i) y.data()[i] = a.data()[i] - b.data()[i];
  return y;
}

/// dy [B, C] → da, db
inline std::tuple<Matrix, Matrix> subtract_backward(const Matrix& dy, const Matrix&, const Matrix&) { return {dy, dy}; }

}  // namespace exercise
