/// Speed of binary_cross_entropy_with_logits, after its results have been checked: see support/op_bench.hpp.
#include <quern/loss/binary_cross_entropy_with_logits.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

/// Targets, hard and soft, made once for each shape.
template <class T>
const Tensor<T, 2>& targets_for(const Shape<2>& shape) {
  static Tensor<T, 2> targets;
  if (targets.shape() == shape) return targets;
  targets = Tensor<T, 2>::empty(shape);
  for (std::int64_t i = 0; i < targets.size(); ++i) targets.data()[i] = T(double(i % 3) / 2);
  return targets;
}

struct Op {
  template <class T>
  auto operator()(const Tensor<T, 2>& x) const {
    return binary_cross_entropy_with_logits(x, targets_for<T>(x.shape()));
  }
  template <class T>
  auto operator()(const Tensor<Recorded<T>, 2>& x) const {
    return binary_cross_entropy_with_logits(x, targets_for<T>(x.shape()));
  }
};

const auto naive = [](const Tensor<double, 2>& x) {
  double sum = 0;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const double y = targets_for<double>(x.shape()).data()[i], yes = 1 / (1 + std::exp(-x.data()[i]));
    sum -= y * std::log(yes) + (1 - y) * std::log(1 - yes);
  }
  return Tensor<double, 0>::of(Shape<0>{}, {sum / double(x.size())});
};

/// Reads logits and targets; backward reads both and writes dlogits.
bool row(std::int64_t rows, std::int64_t columns) {
  const double n = double(rows * columns);
  return bench::add_op(
      {"binary_cross_entropy_with_logits", text_of(rows, "x", columns), {.bytes = 8.0 * n}, {.bytes = 12.0 * n}}, Op{},
      naive, [] { return std::tuple{bench::uniform_tensor(1, 3, 5)}; },
      [=] { return std::tuple{bench::uniform_tensor(1, rows, columns)}; },
      [](const auto& x) {
        return [saved = binary_cross_entropy_with_logits_forward(x, targets_for<float>(x.shape())).saved](
                   const auto& dy) { benchmark::DoNotOptimize(binary_cross_entropy_with_logits_backward(dy, saved)); };
      });
}

const bool registered = row(50, 8) && row(2048, 64);

}  // namespace
