/// nn::Linear: y = x Wᵀ + b.
///
///   nn::Linear<> out(300, 2);            // zeros; initialise(model, seed) fills it
///   auto logits = out(h);                // [..., 300] → [..., 2]
#pragma once
#include <quern/nn/initialise.hpp>
#include <quern/ops/linear.hpp>

namespace quern::inline QUERN_ABI::nn {

template <class T = float>
struct Linear {
  Tensor<T, 2> weight;  // [out, in]
  Tensor<T, 1> bias;    // [out], or [0]: none

  Linear() = default;
  Linear(std::int64_t in, std::int64_t out, bool with_bias = true) : weight(out, in), bias(with_bias ? out : 0) {}

  static void visit(auto&& f, auto&... m) { f("weight", m.weight...), f("bias", m.bias...); }
  auto operator()(const auto& x) const { return linear(x, weight, bias); }

  void initialise(const Random& random, std::uint32_t op) {
    fan_in_uniform(weight, weight.extent(1), random, op);
    fan_in_uniform(bias, weight.extent(1), random, op + 1);
  }
};

}  // namespace quern::inline QUERN_ABI::nn
