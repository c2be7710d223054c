/// The number type behind a plain or a recorded one, for lambdas that are called with both; and data beside the inputs
/// that is the same number in every type.
///
///   const auto targets = in_every_type(Inputs<double>{drawn(shape, 2)});
///   [&]<class X>(const Inputs<X>& in) { return mse_loss(in.x, cast<number_of<X>>(targets).x); }
#pragma once
#include <quern/autograd/recorded.hpp>
#include <quern/tensor/walk.hpp>

namespace test {

template <class X>
struct NumberOf {
  using type = X;
};
template <class T>
struct NumberOf<quern::Recorded<T>> {
  using type = T;
};
template <class X>
using number_of = typename NumberOf<X>::type;

/// Rounded to bf16, which float and double hold exactly.
template <template <class> class M>
M<double> in_every_type(const M<double>& exact) {
  return quern::cast<double>(quern::cast<quern::bf16>(exact));
}

}  // namespace test
