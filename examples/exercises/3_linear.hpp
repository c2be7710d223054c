/// Exercise 3. A product with a weight matrix. As many columns go out as come in, so a wrong orientation has no wrong
/// shape that would give it away.
///
///   y = x Wᵀ:  y(b, i) = Σ_j x(b, j) W(i, j)
///   dx = ?,  dW = dyᵀ x
#pragma once
#include "matrix.hpp"

namespace exercise {

/// x [B, C], W [C, C] → [B, C]
inline Matrix linear(const Matrix& x, const Matrix& w) {
  Matrix y = like(x);
  for (std::int64_t b = 0; b < x.extent(0); ++b)
    for (std::int64_t i = 0; i < w.extent(0); ++i)
      for (std::int64_t j = 0; j < w.extent(1); ++j) y(b, i) += x(b, j) * w(i, j);
  return y;
}

/// dy [B, C] → dx [B, C], dW [C, C]
inline std::tuple<Matrix, Matrix> linear_backward(const Matrix& dy, const Matrix& x, const Matrix& w) {
  Matrix dx = like(x), dw = like(w);
  for (std::int64_t b = 0; b < x.extent(0); ++b)
    for (std::int64_t i = 0; i < w.extent(0); ++i)
      for (std::int64_t j = 0; j < w.extent(1); ++j) {
        dx(b, i) += dy(b, j) * w(i, j);
        dw(i, j) += dy(b, i) * x(b, j);
      }
  return {dx, dw};
}

}  // namespace exercise
