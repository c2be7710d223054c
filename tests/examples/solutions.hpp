/// The exercises of examples/exercises, solved.
///
///   exercise::check_exercises(solution::ops)        // all correct
#pragma once
#include "../../examples/exercises/1_subtract.hpp"
#include "../../examples/exercises/2_bias.hpp"
#include "../../examples/exercises/3_linear.hpp"
#include "../../examples/exercises/4_relu.hpp"
#include "../../examples/exercises/5_mean_square.hpp"
#include "../../examples/exercises/6_normalise.hpp"
#include "../../examples/exercises/verdicts.hpp"

namespace solution {

using exercise::like;
using exercise::Matrix;
using exercise::Normalised;

/// 1. b counts downwards.
inline std::tuple<Matrix, Matrix> subtract_backward(const Matrix& dy, const Matrix&, const Matrix&) {
  Matrix db = like(dy);
  for (std::int64_t i = 0; i < dy.size(); ++i) db.data()[i] = -dy.data()[i];
  return {dy, db};
}

/// 2. The bias acts on every text: its gradient is the sum over them.
inline std::tuple<Matrix, Matrix> add_bias_backward(const Matrix& dy, const Matrix&, const Matrix& bias) {
  Matrix dbias = like(bias);
  for (std::int64_t b = 0; b < dy.extent(0); ++b)
    for (std::int64_t c = 0; c < dy.extent(1); ++c) dbias(0, c) += dy(b, c);
  return {dy, dbias};
}

/// 3. dx = dy W, not dy Wᵀ.
inline std::tuple<Matrix, Matrix> linear_backward(const Matrix& dy, const Matrix& x, const Matrix& w) {
  Matrix dx = like(x), dw = like(w);
  for (std::int64_t b = 0; b < x.extent(0); ++b)
    for (std::int64_t i = 0; i < w.extent(0); ++i)
      for (std::int64_t j = 0; j < w.extent(1); ++j) {
        dx(b, j) += dy(b, i) * w(i, j);
        dw(i, j) += dy(b, i) * x(b, j);
      }
  return {dx, dw};
}

/// 4. Where the input was cut off nothing comes back.
inline std::tuple<Matrix> relu_backward(const Matrix& dy, const Matrix& x) {
  Matrix dx = like(dy);
  for (std::int64_t i = 0; i < dy.size(); ++i) dx.data()[i] = x.data()[i] > 0 ? dy.data()[i] : 0;
  return {dx};
}

/// 5. The mean is over all elements, not over the rows.
inline std::tuple<Matrix> mean_square_backward(const Matrix& dy, const Matrix& x) {
  Matrix dx = like(x);
  for (std::int64_t i = 0; i < x.size(); ++i) dx.data()[i] = dy(0, 0) * 2 * x.data()[i] / double(x.size());
  return {dx};
}

/// 6. Backward divides by the deviation that forward divided by: saved is the batch's own, not the running one. Here it
/// is found again from x and y, whose deviation is 1.
inline std::pair<Matrix, Normalised> normalise(const Matrix& x, Matrix& running) {
  auto result = exercise::normalise(x, running);
  for (std::int64_t c = 0; c < x.extent(1); ++c)
    result.second.deviation(0, c) = (x(0, c) - x(1, c)) / (result.first(0, c) - result.first(1, c));
  return result;
}

inline const exercise::Ops ops{.subtract = subtract_backward,
                               .add_bias = add_bias_backward,
                               .linear = linear_backward,
                               .relu = relu_backward,
                               .mean_square = mean_square_backward,
                               .normalise = normalise};

}  // namespace solution
