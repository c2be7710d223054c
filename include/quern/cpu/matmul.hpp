/// CPU body of matmul: one call of gemm, with the operands' transposes as strides.
///
///   cpu::matmul(a.view(), Transpose::no, b.view(), Transpose::yes, y.view());
#pragma once
#include <quern/base/transpose.hpp>
#include <quern/cpu/gemm.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// A row-major matrix, or its transpose, as gemm takes it.
template <class T>
Matrix<const T> operand(View<const T, 2> m, Transpose t) {
  return t == Transpose::no ? Matrix<const T>{m.data, m.extent(1), 1} : Matrix<const T>{m.data, 1, m.extent(1)};
}

template <class T>
void matmul(View<const T, 2> a, Transpose ta, View<const T, 2> b, Transpose tb, View<T, 2> y) {
  const std::int64_t inner = ta == Transpose::no ? a.extent(1) : a.extent(0);
  gemm<T>(y.extent(0), y.extent(1), inner, operand(a, ta), operand(b, tb), y.data, y.extent(1));
}

}  // namespace quern::inline QUERN_ABI::cpu
