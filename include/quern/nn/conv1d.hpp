/// nn::Conv1d: F filters over windows of `width` rows; texts are zero-padded by width-1 at both ends.
///
///   nn::Conv1d<> conv(300, 100, 3);
///   auto h = max_over_time(relu(conv(e)));                                  // e: rows [N, 300] → [B, 100]
///   auto h = conv1d_relu_max_over_time(e, conv.weight, conv.bias);          // the same, faster
#pragma once
#include <quern/nn/initialise.hpp>
#include <quern/ops/conv1d.hpp>

namespace quern::inline QUERN_ABI::nn {

template <class T = float>
struct Conv1d {
  Tensor<T, 3> weight;  // [F, E, width], as in PyTorch
  Tensor<T, 1> bias;    // [F], or [0]: none

  Conv1d() = default;
  Conv1d(std::int64_t in, std::int64_t filters, std::int64_t width, bool with_bias = true)
      : weight(filters, in, width), bias(with_bias ? filters : 0) {}

  static void visit(auto&& f, auto&... m) { f("weight", m.weight...), f("bias", m.bias...); }
  auto operator()(const auto& x) const { return conv1d(x, weight, bias); }

  void initialise(const Random& random, std::uint32_t op) {
    fan_in_uniform(weight, weight.extent(1) * weight.extent(2), random, op);
    fan_in_uniform(bias, weight.extent(1) * weight.extent(2), random, op + 1);
  }
};

}  // namespace quern::inline QUERN_ABI::nn
