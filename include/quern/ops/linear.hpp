/// linear: a product with a weight matrix, a bias and, fused, an activation.
///
///   y = act(x Wᵀ + b)
///   dz = dy · act'(z),  dx = dz W,  dW = dzᵀ x,  db = Σ_rows dz
///
///   auto y = linear(x, weight, bias);       // x [..., in], weight [out, in], bias [out] or [0] → [..., out]
#pragma once
#include <quern/base/activation.hpp>
#include <quern/cpu/linear.hpp>
#include <quern/cuda/linear.hpp>
#include <quern/ops/matmul.hpp>
#include <quern/ops/relu.hpp>

namespace quern::inline QUERN_ABI {

/// The result, where an activation needs it; else empty.
template <class T, int Rank>
struct LinearSaved {
  Activation activation;
  Tensor<T, Rank> y;
};
template <class T, int Rank>
struct LinearForward {
  Tensor<T, Rank> y;
  LinearSaved<T, Rank> saved;
};
template <class T, int Rank>
struct LinearGradients {
  Tensor<T, Rank> x;
  Tensor<T, 2> weight;
  Tensor<T, 1> bias;
};

template <Number T, int Rank>
requires(Rank >= 1) Tensor<T, Rank> linear(const Tensor<T, Rank>& x, const Tensor<T, 2>& weight,
                                           const Tensor<T, 1>& bias, Activation activation = Activation::none,
                                           Caller at = Caller::here()) {
  require(x.shape().last() == weight.extent(1), "linear: ", described("weight", weight), ", ", described("x", x),
          "; the last axis of x must be ", weight.extent(1), " (", at, ")");
  require(bias.size() == 0 || bias.size() == weight.extent(0), "linear: ", described("bias", bias), ", ",
          described("weight", weight), "; the bias must have ", weight.extent(0), " elements or none (", at, ")");
  const Device device = common_device("linear", x, weight, bias);
  auto shape = x.shape();
  shape[Rank - 1] = weight.extent(0);
  auto y = Tensor<T, Rank>::empty(shape, device);
  QUERN_RUN(T, device, linear(x.rows(), weight.view(), bias.size() ? bias.data() : nullptr, activation, y.rows()));
  return y;
}

template <Number T, int Rank>
LinearForward<T, Rank> linear_forward(const Tensor<T, Rank>& x, const Tensor<T, 2>& weight, const Tensor<T, 1>& bias,
                                      Activation activation = Activation::none, Caller at = Caller::here()) {
  auto y = linear(x, weight, bias, activation, at);
  if (activation == Activation::none) return {std::move(y), {activation, {}}};
  return {y.share(), {activation, y.share()}};
}

/// dy through the activation: the gradient of x Wᵀ + b.
template <Number T, int Rank>
Tensor<T, Rank> linear_backward_activation(const Tensor<T, Rank>& dy, const LinearSaved<T, Rank>& saved) {
  return saved.activation == Activation::relu ? relu_backward(dy, ReluSaved<T, Rank>{saved.y.share()}) : dy.share();
}

/// dz [..., out] → dx [..., in].
template <Number T, int Rank>
Tensor<T, Rank> linear_backward_x(const Tensor<T, Rank>& dz, const Tensor<T, 2>& weight) {
  auto shape = dz.shape();
  shape[Rank - 1] = weight.extent(1);
  auto dx = Tensor<T, Rank>::empty(shape, dz.device());
  QUERN_RUN(T, dz.device(), matmul(dz.rows(), Transpose::no, weight.view(), Transpose::no, dx.rows()));
  return dx;
}

/// dz [..., out], x [..., in] → dweight [out, in].
template <Number T, int Rank>
Tensor<T, 2> linear_backward_weight(const Tensor<T, Rank>& dz, const Tensor<T, Rank>& x) {
  auto dweight = Tensor<T, 2>::empty({dz.shape().last(), x.shape().last()}, dz.device());
  QUERN_RUN(T, dz.device(), matmul(dz.rows(), Transpose::yes, x.rows(), Transpose::no, dweight.view()));
  return dweight;
}

/// dz [..., out] → dbias [out].
template <Number T, int Rank>
Tensor<T, 1> linear_backward_bias(const Tensor<T, Rank>& dz) {
  auto dbias = Tensor<T, 1>::empty({dz.shape().last()}, dz.device());
  QUERN_RUN(T, dz.device(), sum_rows(dz.rows(), dbias.view()));
  return dbias;
}

/// dy [..., out] → dx, dweight, dbias. The bias gradient is made whether or not there was a bias.
template <Number T, int Rank>
LinearGradients<T, Rank> linear_backward(const Tensor<T, Rank>& dy, const Tensor<T, Rank>& x,
                                         const Tensor<T, 2>& weight, const LinearSaved<T, Rank>& saved) {
  const auto dz = linear_backward_activation(dy, saved);
  return {linear_backward_x(dz, weight), linear_backward_weight(dz, x), linear_backward_bias(dz)};
}

template <class X, class W, class B>
requires AnyRecorded<X, W, B>
auto linear(const X& x, const W& weight, const B& bias, Activation activation = Activation::none,
            Caller at = Caller::here()) {
  auto [y, saved] = linear_forward(value(x), value(weight), value(bias), activation, at);
  auto backward = [x = keep(x), weight = keep(weight), bias = keep(bias), saved = std::move(saved)](Tape& tape,
                                                                                                    const auto& dy) {
    const auto dz = linear_backward_activation(dy, saved);
    if constexpr (is_recorded<X>)
      if (wants_gradient(x)) tape.add(x, linear_backward_x(dz, value(weight)));
    if constexpr (is_recorded<W>)
      if (wants_gradient(weight)) tape.add(weight, linear_backward_weight(dz, value(x)));
    if constexpr (is_recorded<B>)
      if (wants_gradient(bias) && bias.size()) tape.add(bias, linear_backward_bias(dz));
  };
  return Tape::record("linear", std::move(y), std::move(backward), x, weight, bias);
}

template <class T, class W, class B>
auto linear(const Packed<T>& x, const W& weight, const B& bias, Activation activation = Activation::none,
            Caller at = Caller::here()) {
  return Packed{linear(x.rows, weight, bias, activation, at), x.offsets};
}

}  // namespace quern::inline QUERN_ABI
