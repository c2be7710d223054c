/// The device that a test program is about: the CPU, or the GPU (or its emulator) where the program is linked with one.
/// The same sources are built once for each.
///
///   expect_op(inputs, {}, [&](const auto& in) { return cross_entropy(in.x, beside(in.x, labels)); }, …);
///   const auto x = on_device(drawn(…));          // for a test that calls an op itself
///   const auto x = on_device<T>(Shape{2, 2}, {1, 2, 3, 4});
#pragma once
#include <algorithm>
#include <initializer_list>

#include <quern/autograd/recorded.hpp>

namespace test {
using namespace quern;

/// The element types that the device computes with: a GPU has no kernels for double.
///
///   TEST_CASE_TEMPLATE("…", T, QUERN_TEST_REALS) { … }
#ifdef QUERN_CUDA
#define QUERN_TEST_REALS float
#define QUERN_TEST_NUMBERS float, bf16
#else
#define QUERN_TEST_REALS float, double
#define QUERN_TEST_NUMBERS float, double, bf16
#endif

inline Device test_device() { return has_cuda ? Device::cuda() : Device::cpu(); }

/// What the device under test computes in beside float.
using SecondNumber = std::conditional_t<has_cuda, bf16, double>;

/// `x`, moved to the device under test.
template <class T, int Rank>
Tensor<T, Rank> on_device(const Tensor<T, Rank>& x) {
  return x.device() == test_device() ? x.share() : x.to(test_device());
}
/// A tensor of numbers written out, on the device under test.
template <class T, int Rank>
Tensor<T, Rank> on_device(Shape<Rank> shape, std::initializer_list<double> values) {
  auto x = Tensor<T, Rank>::empty(shape);
  require(std::int64_t(values.size()) == x.size(), "on_device: ", values.size(), " values for ", shape);
  std::transform(values.begin(), values.end(), x.data(), [](double v) { return T(v); });
  return on_device(x);
}
template <class T, int Rank>
Tensor<T, Rank> on_host(const Tensor<T, Rank>& x) {
  return x.device().is_cpu() ? x.share() : x.to(Device::cpu());
}

/// `data` on the device of `x`, for what an op takes beside its inputs: labels, ids, offsets.
template <class T, int Rank>
Tensor<T, Rank> beside(const auto& x, const Tensor<T, Rank>& data) {
  return data.device() == x.device() ? data.share() : data.to(x.device());
}

}  // namespace test
