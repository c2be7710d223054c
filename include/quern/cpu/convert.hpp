/// Elements between their stored type and the one they are computed in: float for bf16, the type itself otherwise.
///
///   const cpu::Widened<T> wide(x.data(), n);     // wide.data(): n of accumulator_t<T>; for float, x itself
///   … sums in Tensor<accumulator_t<T>, 2> dx …
///   return cpu::rounded<T>(std::move(dx));       // rounded once; for float, dx itself
#pragma once
#include <quern/cpu/loops.hpp>
#include <quern/tensor/tensor.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// y[i] = x[i] for n elements, float to bf16 or back.
template <class X, class Y>
void convert(const X* x, Y* y, std::int64_t n) {
  for_each_element<bf16>(n, [&]<class V>(V, std::int64_t i, int count) { V::load(x + i, count).store(y + i, count); });
}

/// y[i] += x[i] for n elements, a sum in float of what is stored in bf16.
template <class X>
void add_converted(const X* x, float* y, std::int64_t n) {
  for_each_element<bf16>(n, [&]<class V>(V, std::int64_t i, int count) {
    (V::load(y + i, count) + V::load(x + i, count)).store(y + i, count);
  });
}

/// n elements in the type they are computed in. Memory from the pool where a copy is needed.
template <class T>
class Widened {
 public:
  Widened(const T* x, std::int64_t n) : data_(x) { static_cast<void>(n); }
  const T* data() const { return data_; }

 private:
  const T* data_;
};
template <class T>
requires(!std::is_same_v<T, accumulator_t<T>>) class Widened<T> {
 public:
  Widened(const T* x, std::int64_t n) : copy_(Tensor<accumulator_t<T>, 1>::empty(Shape<1>{n})) {
    if (n > 0) convert(x, copy_.data(), n);
  }
  const accumulator_t<T>* data() const { return copy_.data(); }

 private:
  Tensor<accumulator_t<T>, 1> copy_;
};

/// A result as it is stored.
template <class T, int Rank>
Tensor<T, Rank> rounded(Tensor<accumulator_t<T>, Rank> x) {
  if constexpr (std::is_same_v<T, accumulator_t<T>>) {
    return x;
  } else {
    auto y = Tensor<T, Rank>::empty(x.shape(), x.device());
    convert(x.data(), y.data(), x.size());
    return y;
  }
}

}  // namespace quern::inline QUERN_ABI::cpu
