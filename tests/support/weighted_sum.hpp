/// The loss of the tests: Σ w y with fixed weights, so that the gradient given to an op is known and nowhere zero. An
/// op of its own, outside the library.
///
///   auto loss = weighted_sum(linear(m.x, m.weight, m.bias), weights);       // weights: one for each element
#pragma once
#include <vector>

#include <quern/autograd/tape.hpp>
#include <quern/cpu/eigen.hpp>

namespace test {
using namespace quern;

/// Weights ±[0.5, 1.5), exact in float.
inline std::vector<double> drawn_weights(std::size_t n) {
  const Random random(20260103);
  std::vector<double> weights(n);
  for (std::size_t i = 0; i < n; ++i)
    weights[i] = (random.bits(1, i) & 1 ? 1 : -1) * (0.5 + double(random.uniform(0, i)));
  return weights;
}

/// The sum is kept in long double, so that central differences see the op's rounding alone.
template <Number T, int Rank>
Tensor<T, 0> weighted_sum(const Tensor<T, Rank>& y, const std::vector<double>& weights) {
  require(y.size() == std::int64_t(weights.size()), "weighted_sum: ", weights.size(), " weights for ", y.shape());
  if (y.device().is_cuda()) return weighted_sum(y.to(Device::cpu()), weights).to(y.device());
  long double sum = 0;
  for (std::int64_t i = 0; i < y.size(); ++i) sum += (long double)(weights[std::size_t(i)]) * y.data()[i];
  return Tensor<T, 0>::of(Shape<0>{}, {T(sum)});
}

template <class T, int Rank>
Tensor<Recorded<T>, 0> weighted_sum(const Tensor<Recorded<T>, Rank>& y, const std::vector<double>& weights) {
  auto backward = [y, weights](Tape& tape, const Tensor<T, 0>& dloss) {
    auto dy = Tensor<T, Rank>::empty(y.shape());
    const T factor = dloss.item();
    for (std::int64_t i = 0; i < dy.size(); ++i) dy.data()[i] = T(T(weights[std::size_t(i)]) * factor);
    tape.add(y, y.device().is_cpu() ? std::move(dy) : dy.to(y.device()));
  };
  return Tape::record("weighted_sum", weighted_sum(y.value(), weights), std::move(backward), y);
}

}  // namespace test
