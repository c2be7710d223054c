/// CPU body of linear: gemm with the bias and the activation fused into its last step.
///
///   cpu::linear(x.rows(), weight.view(), bias.data(), Activation::relu, y.rows());
#pragma once
#include <quern/base/activation.hpp>
#include <quern/cpu/matmul.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// x [rows, in], weight [out, in], bias [out] or null → y [rows, out]
template <class T>
void linear(View<const T, 2> x, View<const T, 2> weight, const T* bias, Activation activation, View<T, 2> y) {
  gemm<T>(x.extent(0), weight.extent(0), x.extent(1), operand(x, Transpose::no), operand(weight, Transpose::yes),
          y.data, y.extent(1), bias, activation);
}

}  // namespace quern::inline QUERN_ABI::cpu
