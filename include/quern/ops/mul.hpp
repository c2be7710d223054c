/// mul: the product of two tensors of one shape, element by element.
///
///   y = a · b
///   da = dy · b,  db = dy · a
///
///   auto y = mul(h, gate);              // [..., C], [..., C] → [..., C]
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/mul.hpp>
#include <quern/cuda/mul.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// Backward needs the arguments alone.
struct MulSaved {};
template <class T, int Rank>
struct MulForward {
  Tensor<T, Rank> y;
  MulSaved saved;
};
template <class T, int Rank>
struct MulGradients {
  Tensor<T, Rank> a, b;
};

template <Number T, int Rank>
Tensor<T, Rank> mul(const Tensor<T, Rank>& a, const Tensor<T, Rank>& b, Caller at = Caller::here()) {
  require_same_shape("mul", described("a", a), described("b", b), at);
  const Device device = common_device("mul", a, b);
  auto y = empty_like(a);
  QUERN_RUN(T, device, mul(a.rows(), b.rows(), y.rows()));
  return y;
}

template <Number T, int Rank>
MulForward<T, Rank> mul_forward(const Tensor<T, Rank>& a, const Tensor<T, Rank>& b, Caller at = Caller::here()) {
  return {mul(a, b, at), {}};
}

/// dy [..., C] → da, db.
template <Number T, int Rank>
MulGradients<T, Rank> mul_backward(const Tensor<T, Rank>& dy, const Tensor<T, Rank>& a, const Tensor<T, Rank>& b,
                                   const MulSaved& = {}) {
  require_same_shape("mul_backward", described("dy", dy), described("a", a));
  return {mul(dy, b), mul(dy, a)};
}

template <class A, class B>
requires AnyRecorded<A, B>
auto mul(const A& a, const B& b, Caller at = Caller::here()) {
  auto backward = [a = keep(a), b = keep(b)](Tape& tape, const auto& dy) {
    if constexpr (is_recorded<A>)
      if (wants_gradient(a)) tape.add(a, mul(dy, value(b)));
    if constexpr (is_recorded<B>)
      if (wants_gradient(b)) tape.add(b, mul(dy, value(a)));
  };
  return Tape::record("mul", mul(value(a), value(b), at), std::move(backward), a, b);
}

}  // namespace quern::inline QUERN_ABI
