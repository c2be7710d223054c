/// Exercise 2. The same row added to every text of a batch.
///
///   y(b, c) = x(b, c) + bias(0, c)
///   dx = dy,  dbias(0, c) = ?
#pragma once
#include "matrix.hpp"

namespace exercise {

/// x [B, C], bias [1, C] → [B, C]
inline Matrix add_bias(const Matrix& x, const Matrix& bias) {
  Matrix y = like(x);
  for (std::int64_t b = 0; b < x.extent(0); ++b)
    for (std::int64_t c = 0; c < x.extent(1); ++c) y(b, c) = x(b, c) + bias(0, c);
  return y;
}

/// dy [B, C] → dx [B, C], dbias [1, C]
inline std::tuple<Matrix, Matrix> add_bias_backward(const Matrix& dy, const Matrix&, const Matrix& bias) {
  Matrix dbias = like(bias);
  for (std::int64_t b = 0; b < dy.extent(0); ++b)
    for (std::int64_t c = 0; c < dy.extent(1); ++c) dbias(0, c) = dy(b, c);
  return {dy, dbias};
}

}  // namespace exercise
