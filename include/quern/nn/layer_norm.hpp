/// nn::LayerNorm: rows of mean 0 and variance 1, then a learned scale and shift.
///
///   nn::LayerNorm<> norm(768, 1e-12);      // weight 1, bias 0
///   auto y = norm(x);                      // [..., 768] → [..., 768]
#pragma once
#include <quern/nn/initialise.hpp>
#include <quern/ops/layer_norm.hpp>

namespace quern::inline QUERN_ABI::nn {

template <class T = float>
struct LayerNorm {
  Tensor<T, 1> weight, bias;  // [C], [C]
  double eps = 1e-5;

  LayerNorm() = default;
  explicit LayerNorm(std::int64_t width, double epsilon = 1e-5) : weight(width), bias(width), eps(epsilon) {
    initialise(Random(0), 0);
  }

  static void visit(auto&& f, auto&... m) { f("weight", m.weight...), f("bias", m.bias...), f("eps", m.eps...); }
  auto operator()(const auto& x) const { return layer_norm(x, weight, bias, eps); }

  /// Weight 1, bias 0: nothing is drawn.
  void initialise(const Random&, std::uint32_t) {
    if constexpr (Number<T>) weight.fill(T(1)), bias.fill(T(0));
  }
};

}  // namespace quern::inline QUERN_ABI::nn
