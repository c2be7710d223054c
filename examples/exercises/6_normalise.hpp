/// Exercise 6. Every column of a batch gets the mean 0 and the standard deviation 1. A running average over earlier
/// batches is kept for inference, where there is no batch.
///
///   m(c) = 1/B Σ_b x(b, c),  s(c)² = 1/B Σ_b (x(b, c) - m(c))²,  y = (x - m) / s
///   dx(b, c) = 1/s(c) · (dy(b, c) - 1/B Σ_k dy(k, c) - y(b, c) · 1/B Σ_k dy(k, c) y(k, c))
#pragma once
#include <cmath>

#include "matrix.hpp"

namespace exercise {

/// What backward needs.
struct Normalised {
  Matrix y;          // [B, C]
  Matrix deviation;  // [1, C]
};

/// x [B, C] → y and what backward needs. `running` [1, C], the average deviation, moves a little towards the batch's.
inline std::pair<Matrix, Normalised> normalise(const Matrix& x, Matrix& running) {
  const auto rows = double(x.extent(0));
  Matrix y = like(x);
  for (std::int64_t c = 0; c < x.extent(1); ++c) {
    double mean = 0, squares = 0;
    for (std::int64_t b = 0; b < x.extent(0); ++b) mean += x(b, c) / rows;
    for (std::int64_t b = 0; b < x.extent(0); ++b) squares += (x(b, c) - mean) * (x(b, c) - mean);
    const double deviation = std::sqrt(squares / rows);
    for (std::int64_t b = 0; b < x.extent(0); ++b) y(b, c) = (x(b, c) - mean) / deviation;
    running(0, c) = 0.9 * running(0, c) + 0.1 * deviation;
  }
  return {y, {y, running}};
}

/// dy [B, C] → dx [B, C]
inline std::tuple<Matrix> normalise_backward(const Matrix& dy, const Normalised& saved) {
  const auto rows = double(dy.extent(0));
  Matrix dx = like(dy);
  for (std::int64_t c = 0; c < dy.extent(1); ++c) {
    double sum = 0, along = 0;
    for (std::int64_t b = 0; b < dy.extent(0); ++b) sum += dy(b, c), along += dy(b, c) * saved.y(b, c);
    for (std::int64_t b = 0; b < dy.extent(0); ++b)
      dx(b, c) = (dy(b, c) - sum / rows - saved.y(b, c) * along / rows) / saved.deviation(0, c);
  }
  return {dx};
}

}  // namespace exercise
