/// matmul: the product of two matrices, either of them transposed.
///
///   y = A B,  A = op(a) [M, K],  B = op(b) [K, N]
///   dA = dy Bᵀ,  dB = Aᵀ dy          (written for op(a), op(b); a transposed operand gets the transpose of this)
///
///   auto y = matmul(q, k, Transpose::no, Transpose::yes);        // [M, K], [N, K] → [M, N]
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/matmul.hpp>
#include <quern/cuda/matmul.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// How the operands were taken. Backward also wants the operands.
struct MatmulSaved {
  Transpose a, b;
};
template <class T>
struct MatmulForward {
  Tensor<T, 2> y;
  MatmulSaved saved;
};
template <class T>
struct MatmulGradients {
  Tensor<T, 2> a, b;
};

template <Number T>
Tensor<T, 2> matmul(const Tensor<T, 2>& a, const Tensor<T, 2>& b, Transpose ta = Transpose::no,
                    Transpose tb = Transpose::no, Caller at = Caller::here()) {
  const int m = ta == Transpose::no ? 0 : 1, n = tb == Transpose::no ? 1 : 0;
  require(a.extent(1 - m) == b.extent(1 - n), "matmul: ", described("a", a), m ? " (transposed)" : "", ", ",
          described("b", b), n ? "" : " (transposed)", "; the inner extents ", a.extent(1 - m), " and ",
          b.extent(1 - n), " must be equal (", at, ")");
  const Device device = common_device("matmul", a, b);
  auto y = Tensor<T, 2>::empty({a.extent(m), b.extent(n)}, device);
  QUERN_RUN(T, device, matmul(a.view(), ta, b.view(), tb, y.view()));
  return y;
}

template <Number T>
MatmulForward<T> matmul_forward(const Tensor<T, 2>& a, const Tensor<T, 2>& b, Transpose ta = Transpose::no,
                                Transpose tb = Transpose::no, Caller at = Caller::here()) {
  return {matmul(a, b, ta, tb, at), {ta, tb}};
}

/// dy [M, N] → da in the form of a.
template <Number T>
Tensor<T, 2> matmul_backward_a(const Tensor<T, 2>& dy, const Tensor<T, 2>& b, const MatmulSaved& saved) {
  const auto flip = saved.b == Transpose::no ? Transpose::yes : Transpose::no;
  if (saved.a == Transpose::no) return matmul(dy, b, Transpose::no, flip);
  return matmul(b, dy, saved.b, Transpose::yes);
}

/// dy [M, N] → db in the form of b.
template <Number T>
Tensor<T, 2> matmul_backward_b(const Tensor<T, 2>& dy, const Tensor<T, 2>& a, const MatmulSaved& saved) {
  const auto flip = saved.a == Transpose::no ? Transpose::yes : Transpose::no;
  if (saved.b == Transpose::no) return matmul(a, dy, flip, Transpose::no);
  return matmul(dy, a, Transpose::yes, saved.a);
}

template <Number T>
MatmulGradients<T> matmul_backward(const Tensor<T, 2>& dy, const Tensor<T, 2>& a, const Tensor<T, 2>& b,
                                   const MatmulSaved& saved) {
  return {matmul_backward_a(dy, b, saved), matmul_backward_b(dy, a, saved)};
}

template <class A, class B>
requires AnyRecorded<A, B>
auto matmul(const A& a, const B& b, Transpose ta = Transpose::no, Transpose tb = Transpose::no,
            Caller at = Caller::here()) {
  auto [y, saved] = matmul_forward(value(a), value(b), ta, tb, at);
  auto backward = [a = keep(a), b = keep(b), saved = saved](Tape& tape, const auto& dy) {
    if constexpr (is_recorded<A>)
      if (wants_gradient(a)) tape.add(a, matmul_backward_a(dy, value(b), saved));
    if constexpr (is_recorded<B>)
      if (wants_gradient(b)) tape.add(b, matmul_backward_b(dy, value(a), saved));
  };
  return Tape::record("matmul", std::move(y), std::move(backward), a, b);
}

}  // namespace quern::inline QUERN_ABI
