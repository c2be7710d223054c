/// gru: gated recurrent units walk each text of a batch, from its first row to its last or, with `reverse`, from its
/// last to its first (Cho et al. 2014, in the form of PyTorch and cuDNN: r multiplies the hidden product, after its
/// bias). Gates stand in the order r, z, n.
///
///   [r, z] = σ(W_i x + b_i + W_h h' + b_h)                    h' of the step before; 0 at the first
///   q = W_hn h' + b_hn,  n = tanh(W_in x + b_in + r ∘ q),  h = (1 - z) ∘ n + z ∘ h'
///   dn = dh ∘ (1-z) ∘ (1-n²),  dq = dn ∘ r                    dh: dy + (dh ∘ z + W_hhᵀ dv of the step after)
///   du = [dn ∘ q ∘ r(1-r), dh ∘ (h'-n) ∘ z(1-z), dn],  dv = [the same, the same, dq]
///   dx = du W_ih,  dW_ih = duᵀ x,  dW_hh = dvᵀ h',  db_ih = Σ du,  db_hh = Σ dv
///
///   Packed<float> h = gru(x, weight_ih, weight_hh, bias_ih, bias_hh);
///
/// x: rows [N, E] of B texts, weight_ih [3H, E], weight_hh [3H, H], biases [3H] → rows [N, H], each at its token's row.
#pragma once
#include <quern/cpu/gru.hpp>
#include <quern/cuda/gru.hpp>
#include <quern/ops/linear.hpp>
#include <quern/ops/recurrent.hpp>

namespace quern::inline QUERN_ABI {

/// The gates, the product that r multiplies, and the result.
template <class T>
struct GruSaved {
  Tensor<T, 2> gates;   // [N, 3H]: r, z, n
  Tensor<T, 2> hidden;  // [N, H]: q
  Tensor<T, 2> y;       // [N, H]
  Offsets offsets;      // of x
  bool reverse;
};
template <class T>
struct GruForward {
  Packed<T> y;
  GruSaved<T> saved;
};
template <class T>
struct GruGradients {
  Packed<T> x;
  Tensor<T, 2> weight_ih, weight_hh;
  Tensor<T, 1> bias_ih, bias_hh;
};

template <Number T>
GruForward<T> gru_forward(const Packed<T>& x, const Tensor<T, 2>& weight_ih, const Tensor<T, 2>& weight_hh,
                          const Tensor<T, 1>& bias_ih, const Tensor<T, 1>& bias_hh, bool reverse = false,
                          Caller at = Caller::here()) {
  detail::check_recurrent("gru", 3, x.rows, x.offsets, weight_ih, weight_hh, bias_ih, bias_hh, at);
  const Shape<2> shape{x.rows.extent(0), weight_hh.extent(1)};
  const Device device = weight_hh.device();
  GruSaved<T> saved{linear(x.rows, weight_ih, bias_ih, Activation::none, at), Tensor<T, 2>::empty(shape, device),
                    Tensor<T, 2>::empty(shape, device), x.offsets.share(), reverse};
  QUERN_RUN(T, device,
            gru(saved.gates.view(), weight_hh.view(), bias_hh.view(), x.offsets.view(), reverse, saved.hidden.view(),
                saved.y.view()));
  return {{saved.y.share(), x.offsets}, std::move(saved)};
}

template <Number T>
Packed<T> gru(const Packed<T>& x, const Tensor<T, 2>& weight_ih, const Tensor<T, 2>& weight_hh,
              const Tensor<T, 1>& bias_ih, const Tensor<T, 1>& bias_hh, bool reverse = false,
              Caller at = Caller::here()) {
  return gru_forward(x, weight_ih, weight_hh, bias_ih, bias_hh, reverse, at).y;
}

/// The gradients of what the gates are made of, before their functions, of which all others are products.
template <class T>
struct GruGateGradients {
  Tensor<T, 2> input, hidden;  // [N, 3H]: du, dv
};
/// dy [N, H] → du, dv.
template <Number T>
GruGateGradients<T> gru_backward_gates(const Tensor<T, 2>& dy, const Tensor<T, 2>& weight_hh,
                                       const GruSaved<T>& saved) {
  require_same_shape("gru_backward", described("dy", dy), described("the result", saved.y));
  GruGateGradients<T> d{empty_like(saved.gates), empty_like(saved.gates)};
  QUERN_RUN(T, dy.device(),
            gru_backward(dy.view(), saved.gates.view(), saved.hidden.view(), saved.y.view(), weight_hh.view(),
                         saved.offsets.view(), saved.reverse, d.input.view(), d.hidden.view()));
  return d;
}

/// dy [N, H] → the gradients of x, of both weights and of both biases.
template <Number T>
GruGradients<T> gru_backward(const Packed<T>& dy, const Packed<T>& x, const Tensor<T, 2>& weight_ih,
                             const Tensor<T, 2>& weight_hh, const GruSaved<T>& saved) {
  const auto d = gru_backward_gates(dy.rows, weight_hh, saved);
  const auto before = detail::rows_before(saved.y, saved.offsets, saved.reverse);
  return {{linear_backward_x(d.input, weight_ih), x.offsets},
          linear_backward_weight(d.input, x.rows),
          linear_backward_weight(d.hidden, before),
          linear_backward_bias(d.input),
          linear_backward_bias(d.hidden)};
}

template <class X, class W, class U, class B, class C>
requires AnyRecorded<Tensor<X, 2>, W, U, B, C>
auto gru(const Packed<X>& x, const W& weight_ih, const U& weight_hh, const B& bias_ih, const C& bias_hh,
         bool reverse = false, Caller at = Caller::here()) {
  auto [y, saved] = gru_forward(Packed{value(x.rows).share(), x.offsets}, value(weight_ih), value(weight_hh),
                                value(bias_ih), value(bias_hh), reverse, at);
  auto backward = [x = keep(x.rows), weight_ih = keep(weight_ih), weight_hh = keep(weight_hh), bias_ih = keep(bias_ih),
                   bias_hh = keep(bias_hh), saved = std::move(saved)](Tape& tape, const auto& dy) {
    const auto d = gru_backward_gates(dy, value(weight_hh), saved);
    if constexpr (is_recorded<Tensor<X, 2>>)
      if (wants_gradient(x)) tape.add(x, linear_backward_x(d.input, value(weight_ih)));
    if constexpr (is_recorded<W>)
      if (wants_gradient(weight_ih)) tape.add(weight_ih, linear_backward_weight(d.input, value(x)));
    if constexpr (is_recorded<U>)
      if (wants_gradient(weight_hh))
        tape.add(weight_hh,
                 linear_backward_weight(d.hidden, detail::rows_before(saved.y, saved.offsets, saved.reverse)));
    if constexpr (is_recorded<B>)
      if (wants_gradient(bias_ih)) tape.add(bias_ih, linear_backward_bias(d.input));
    if constexpr (is_recorded<C>)
      if (wants_gradient(bias_hh)) tape.add(bias_hh, linear_backward_bias(d.hidden));
  };
  return Packed{
      Tape::record("gru", std::move(y.rows), std::move(backward), x.rows, weight_ih, weight_hh, bias_ih, bias_hh),
      y.offsets};
}

}  // namespace quern::inline QUERN_ABI
