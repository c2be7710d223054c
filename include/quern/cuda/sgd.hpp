/// Launchers of stochastic gradient descent over many parameters at once, and of what clipping needs; the kernels stand
/// in kernels/sgd.cuh. For float and bf16.
#pragma once
#include <quern/base/dtype.hpp>

namespace quern::inline QUERN_ABI::cuda {

/// One parameter of `size` elements in rows of `width`.
template <class T>
struct SgdParameter {
  T *weight, *gradient, *velocity;  // velocity: null without momentum, for all parameters of a list
  char* marks;                      // of the gradient's rows; null: all of them count
  std::int64_t size, width;
  double rate, l2;
};
struct MomentumSettings {
  double momentum, rest;  // rest: what the gradient is multiplied by on its way into the velocity
  bool nesterov;
};

/// One step; gradients and marks are clear afterwards. Rows that are not marked are not visited where l2 is 0.
template <class T>
void sgd(const SgdParameter<T>* parameters, std::int64_t n);
/// One step; gradients and marks are clear afterwards.
template <class T>
void sgd_momentum(const SgdParameter<T>* parameters, std::int64_t n, const MomentumSettings& settings);

/// A gradient of `size` elements in rows of `width`.
template <class T>
struct ListedGradient {
  T* gradient;
  const char* marks;  // null: all rows count
  std::int64_t size, width;
};

/// √ of the sum of squares, in two stages of a fixed order; waits for it.
template <class T>
double global_norm(const ListedGradient<T>* gradients, std::int64_t n);
/// The same, and gradients with a larger norm that is finite are scaled down to `largest`.
template <class T>
double clip_global_norm(const ListedGradient<T>* gradients, std::int64_t n, double largest);
/// x *= factor.
template <class T>
void scale(const ListedGradient<T>* gradients, std::int64_t n, double factor);
/// x = min(max(x, -most), most); NaN stays.
template <class T>
void clamp(const ListedGradient<T>* gradients, std::int64_t n, double most);

/// A parameter and its average.
template <class T>
struct AveragedParameter {
  T* average;
  const T* weight;
  std::int64_t size;
};
/// average += rate · (weight - average).
template <class T>
void move_towards(const AveragedParameter<T>* parameters, std::int64_t n, double rate);

}  // namespace quern::inline QUERN_ABI::cuda
