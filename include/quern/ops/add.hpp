/// add: the sum of two tensors of one shape.
///
///   y = a + b
///   da = dy,  db = dy
///
///   auto y = add(h, residual);          // [..., C], [..., C] → [..., C]
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/add.hpp>
#include <quern/cuda/add.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// Backward needs nothing of the forward pass.
struct AddSaved {};
template <class T, int Rank>
struct AddForward {
  Tensor<T, Rank> y;
  AddSaved saved;
};
template <class T, int Rank>
struct AddGradients {
  Tensor<T, Rank> a, b;
};

template <Number T, int Rank>
Tensor<T, Rank> add(const Tensor<T, Rank>& a, const Tensor<T, Rank>& b, Caller at = Caller::here()) {
  require_same_shape("add", described("a", a), described("b", b), at);
  const Device device = common_device("add", a, b);
  auto y = empty_like(a);
  QUERN_RUN(T, device, add(a.rows(), b.rows(), y.rows()));
  return y;
}

template <Number T, int Rank>
AddForward<T, Rank> add_forward(const Tensor<T, Rank>& a, const Tensor<T, Rank>& b, Caller at = Caller::here()) {
  return {add(a, b, at), {}};
}

/// dy [..., C] → da, db, both dy.
template <Number T, int Rank>
AddGradients<T, Rank> add_backward(const Tensor<T, Rank>& dy, const AddSaved& = {}) {
  return {dy.share(), dy.share()};
}

template <class A, class B>
requires AnyRecorded<A, B>
auto add(const A& a, const B& b, Caller at = Caller::here()) {
  auto backward = [a = keep(a), b = keep(b)](Tape& tape, const auto& dy) {
    auto d = add_backward(dy);
    if constexpr (is_recorded<A>) tape.add(a, std::move(d.a));
    if constexpr (is_recorded<B>) tape.add(b, std::move(d.b));
  };
  return Tape::record("add", add(value(a), value(b), at), std::move(backward), a, b);
}

}  // namespace quern::inline QUERN_ABI
