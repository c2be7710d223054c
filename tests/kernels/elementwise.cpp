/// The kernel that element-wise ops share: arrays of any length, alignment and type.
#include <doctest/doctest.h>

#include "support/unaligned.hpp"

#include "kernels/elementwise.cuh"

using namespace test;

namespace {

/// Exact for the whole numbers below, in every type.
struct TwiceAndMore {
  float more;
  __device__ float operator()(float a, float b) const { return 2 * a + b + more; }
};
struct Half {
  __device__ float operator()(float a) const { return a / 2; }
};

template <class T>
Tensor<T, 1> counted(std::int64_t n, int step) {
  Tensor<T, 1> x(Shape<1>{n});
  for (std::int64_t i = 0; i < n; ++i) x(i) = T(float(i * step % 61));
  return x;
}

template <class Y, class A, class B>
void expect_elementwise(std::int64_t n) {
  CAPTURE(n);
  const Tensor<A, 1> a = counted<A>(n, 1);
  const Tensor<B, 1> b = counted<B>(n, 7);
  Tensor<Y, 1> expected(Shape<1>{n});
  for (std::int64_t i = 0; i < n; ++i) expected(i) = Y(2 * float(a(i)) + float(b(i)) + 3);
  const auto x = on_device(a);
  const auto z = on_device(b);
  Tensor<Y, 1> y(Shape<1>{n}, test_device());
  kernels::elementwise("test", y.data(), n, TwiceAndMore{3}, x.data(), z.data());
  CHECK(same_bits(y, expected));
  Unaligned<Y, 1> other(Shape<1>{n});
  kernels::elementwise("test", other.tensor.data(), n, TwiceAndMore{3}, x.data(), z.data());
  CHECK(same_bits(other.tensor, expected));
  CHECK(float(on_host(other.memory)(0)) == 0);
}

}  // namespace

TEST_CASE("elementwise: arrays of one type and of several, of any length") {
  for (std::int64_t n : {0, 1, 3, 4, 7, 8, 9, 255, 256, 257, 2047, 2048, 2049, 4096, 4099, 8192, 8199, 20001}) {
    expect_elementwise<float, float, float>(n);
    expect_elementwise<bf16, bf16, bf16>(n);
    expect_elementwise<float, bf16, float>(n);
    expect_elementwise<bf16, float, bf16>(n);
    expect_elementwise<float, bf16, bf16>(n);
  }
}

TEST_CASE("elementwise: the result may be written over an argument") {
  for (std::int64_t n : {5, 4096, 9001}) {
    auto x = on_device(counted<bf16>(n, 2));
    kernels::elementwise("test", x.data(), n, Half{}, static_cast<const bf16*>(x.data()));
    const auto y = on_host(x);
    for (std::int64_t i = 0; i < n; ++i) REQUIRE(float(y(i)) == float(i * 2 % 61) / 2);
  }
}
