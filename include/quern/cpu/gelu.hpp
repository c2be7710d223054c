/// CPU bodies of gelu, in both forms.
///
///   cpu::gelu_erf(x.rows(), y.rows());
///   cpu::gelu_tanh(x.rows(), y.rows());
///
/// The slope and the tail are computed of x held within ±20, where both have long reached their limits: no product of
/// infinity and 0 arises.
#pragma once
#include <quern/cpu/loops.hpp>
#include <quern/cpu/vec_math.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// Φ(x) = (1 + erf(x / √2)) / 2
template <class V>
QUERN_INLINE V gelu_gate_erf(const V& x) {
  return V(0.5f) * erf(V(0.70710678118654752440) * x) + V(0.5f);
}

/// √(2/π) (x + 0.044715 x³)
template <class V>
QUERN_INLINE V gelu_inner(const V& x) {
  return V(0.79788456080286535588) * x * (V(0.044715) * x).fma(x, V(1));
}
template <class V>
QUERN_INLINE V gelu_gate_tanh(const V& x) {
  return V(0.5f) * tanh(gelu_inner(x)) + V(0.5f);
}

/// y = x Φ(x)
template <class T>
void gelu_erf(View<const T, 2> x, View<T, 2> y) {
  for_each_element<T>(x.size(), [&]<class V>(V, std::int64_t i, int count) QUERN_INLINE_LAMBDA {
    const V v = V(-20).max(V::load(x.data + i, count));
    (v * gelu_gate_erf(v)).store(y.data + i, count);
  });
}

/// dx = dy (Φ(x) + x φ(x)), φ(x) = e^(-x²/2) / √(2π)
template <class T>
void gelu_erf_backward(View<const T, 2> dy, View<const T, 2> x, View<T, 2> dx) {
  for_each_element<T>(dy.size(), [&]<class V>(V, std::int64_t i, int count) QUERN_INLINE_LAMBDA {
    const V v = V(-20).max(V(20).min(V::load(x.data + i, count)));
    const V density = V(0.39894228040143267794) * exp(V(-0.5f) * v * v);
    (V::load(dy.data + i, count) * v.fma(density, gelu_gate_erf(v))).store(dx.data + i, count);
  });
}

/// y = x g, g = (1 + tanh u) / 2, u = √(2/π) (x + 0.044715 x³)
template <class T>
void gelu_tanh(View<const T, 2> x, View<T, 2> y) {
  for_each_element<T>(x.size(), [&]<class V>(V, std::int64_t i, int count) QUERN_INLINE_LAMBDA {
    const V v = V(-20).max(V::load(x.data + i, count));
    (v * gelu_gate_tanh(v)).store(y.data + i, count);
  });
}

/// dx = dy (g + 2 x g (1 - g) u'), u' = √(2/π) (1 + 3 · 0.044715 x²)
template <class T>
void gelu_tanh_backward(View<const T, 2> dy, View<const T, 2> x, View<T, 2> dx) {
  for_each_element<T>(dy.size(), [&]<class V>(V, std::int64_t i, int count) QUERN_INLINE_LAMBDA {
    const V v = V(-20).max(V(20).min(V::load(x.data + i, count)));
    const V gate = gelu_gate_tanh(v);
    const V twice_slope = (V(2 * 0.79788456080286535588 * 3 * 0.044715) * v).fma(v, V(2 * 0.79788456080286535588));
    const V slope = (v * gate * (V(1) - gate)).fma(twice_slope, gate);
    (V::load(dy.data + i, count) * slope).store(dx.data + i, count);
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
