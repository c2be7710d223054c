/// lstm: a long short-term memory walks each text of a batch, from its first row to its last or, with `reverse`, from
/// its last to its first (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000). Gates stand in the
/// order of PyTorch and cuDNN: i, f, g, o.
///
///   [i, f, g, o] = [σ, σ, tanh, σ](W_ih x + b_ih + W_hh h' + b_hh)          h', c' of the step before; 0 at the first
///   c = f ∘ c' + i ∘ g,  h = o ∘ tanh c
///   dc = dh ∘ o ∘ (1 - tanh² c) + (dc ∘ f of the step after)                dh: dy + W_hhᵀ da of the step after
///   da = [dc ∘ g ∘ i(1-i), dc ∘ c' ∘ f(1-f), dc ∘ i ∘ (1-g²), dh ∘ tanh c ∘ o(1-o)]
///   dx = da W_ih,  dW_ih = daᵀ x,  dW_hh = daᵀ h',  db_ih = db_hh = Σ da
///
///   Packed<float> h = lstm(x, weight_ih, weight_hh, bias_ih, bias_hh);
///
/// x: rows [N, E] of B texts, weight_ih [4H, E], weight_hh [4H, H], biases [4H] → rows [N, H], each at its token's row.
#pragma once
#include <quern/cpu/lstm.hpp>
#include <quern/cuda/lstm.hpp>
#include <quern/ops/linear.hpp>
#include <quern/ops/recurrent.hpp>

namespace quern::inline QUERN_ABI {

/// The gates, the cells and the result. Of bf16 the cells are float.
template <class T>
struct LstmSaved {
  Tensor<T, 2> gates;                 // [N, 4H]: i, f, g, o
  Tensor<accumulator_t<T>, 2> cells;  // [N, H]: c
  Tensor<T, 2> y;                     // [N, H]
  Offsets offsets;                    // of x
  bool reverse;
};
template <class T>
struct LstmForward {
  Packed<T> y;
  LstmSaved<T> saved;
};
template <class T>
struct LstmGradients {
  Packed<T> x;
  Tensor<T, 2> weight_ih, weight_hh;
  Tensor<T, 1> bias_ih, bias_hh;
};

template <Number T>
LstmForward<T> lstm_forward(const Packed<T>& x, const Tensor<T, 2>& weight_ih, const Tensor<T, 2>& weight_hh,
                            const Tensor<T, 1>& bias_ih, const Tensor<T, 1>& bias_hh, bool reverse = false,
                            Caller at = Caller::here()) {
  detail::check_recurrent("lstm", 4, x.rows, x.offsets, weight_ih, weight_hh, bias_ih, bias_hh, at);
  const Shape<2> shape{x.rows.extent(0), weight_hh.extent(1)};
  const Device device = weight_hh.device();
  LstmSaved<T> saved{linear(x.rows, weight_ih, bias_ih, Activation::none, at),
                     Tensor<accumulator_t<T>, 2>::empty(shape, device), Tensor<T, 2>::empty(shape, device),
                     x.offsets.share(), reverse};
  QUERN_RUN(T, device,
            lstm(saved.gates.view(), weight_hh.view(), bias_hh.view(), x.offsets.view(), reverse, saved.cells.view(),
                 saved.y.view()));
  return {{saved.y.share(), x.offsets}, std::move(saved)};
}

template <Number T>
Packed<T> lstm(const Packed<T>& x, const Tensor<T, 2>& weight_ih, const Tensor<T, 2>& weight_hh,
               const Tensor<T, 1>& bias_ih, const Tensor<T, 1>& bias_hh, bool reverse = false,
               Caller at = Caller::here()) {
  return lstm_forward(x, weight_ih, weight_hh, bias_ih, bias_hh, reverse, at).y;
}

/// dy [N, H] → da [N, 4H]: the gradient of the gates before their functions, of which all others are products.
template <Number T>
Tensor<T, 2> lstm_backward_gates(const Tensor<T, 2>& dy, const Tensor<T, 2>& weight_hh, const LstmSaved<T>& saved) {
  require_same_shape("lstm_backward", described("dy", dy), described("the result", saved.y));
  auto da = empty_like(saved.gates);
  QUERN_RUN(T, dy.device(),
            lstm_backward(dy.view(), saved.gates.view(), saved.cells.view(), weight_hh.view(), saved.offsets.view(),
                          saved.reverse, da.view()));
  return da;
}

/// dy [N, H] → the gradients of x, of both weights and of both biases.
template <Number T>
LstmGradients<T> lstm_backward(const Packed<T>& dy, const Packed<T>& x, const Tensor<T, 2>& weight_ih,
                               const Tensor<T, 2>& weight_hh, const LstmSaved<T>& saved) {
  const auto da = lstm_backward_gates(dy.rows, weight_hh, saved);
  const auto before = detail::rows_before(saved.y, saved.offsets, saved.reverse);
  auto dbias = linear_backward_bias(da);
  return {{linear_backward_x(da, weight_ih), x.offsets},
          linear_backward_weight(da, x.rows),
          linear_backward_weight(da, before),
          dbias,
          dbias.share()};
}

template <class X, class W, class U, class B, class C>
requires AnyRecorded<Tensor<X, 2>, W, U, B, C>
auto lstm(const Packed<X>& x, const W& weight_ih, const U& weight_hh, const B& bias_ih, const C& bias_hh,
          bool reverse = false, Caller at = Caller::here()) {
  auto [y, saved] = lstm_forward(Packed{value(x.rows).share(), x.offsets}, value(weight_ih), value(weight_hh),
                                 value(bias_ih), value(bias_hh), reverse, at);
  auto backward = [x = keep(x.rows), weight_ih = keep(weight_ih), weight_hh = keep(weight_hh), bias_ih = keep(bias_ih),
                   bias_hh = keep(bias_hh), saved = std::move(saved)](Tape& tape, const auto& dy) {
    const auto da = lstm_backward_gates(dy, value(weight_hh), saved);
    if constexpr (is_recorded<Tensor<X, 2>>)
      if (wants_gradient(x)) tape.add(x, linear_backward_x(da, value(weight_ih)));
    if constexpr (is_recorded<W>)
      if (wants_gradient(weight_ih)) tape.add(weight_ih, linear_backward_weight(da, value(x)));
    if constexpr (is_recorded<U>)
      if (wants_gradient(weight_hh))
        tape.add(weight_hh, linear_backward_weight(da, detail::rows_before(saved.y, saved.offsets, saved.reverse)));
    if (!wants_gradient(bias_ih) && !wants_gradient(bias_hh)) return;
    const auto dbias = linear_backward_bias(da);
    if constexpr (is_recorded<B>) tape.add(bias_ih, dbias.share());
    if constexpr (is_recorded<C>) tape.add(bias_hh, dbias.share());
  };
  return Packed{
      Tape::record("lstm", std::move(y.rows), std::move(backward), x.rows, weight_ih, weight_hh, bias_ih, bias_hh),
      y.offsets};
}

}  // namespace quern::inline QUERN_ABI
