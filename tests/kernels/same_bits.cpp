/// What computes each element by one operation, or only moves it, gives the CPU's bits on the device, NaN apart: those
/// are NaN on both.
#include <cmath>

#include <quern/ops/add.hpp>
#include <quern/ops/concat.hpp>
#include <quern/ops/dropout.hpp>
#include <quern/ops/mul.hpp>
#include <quern/ops/relu.hpp>
#include <quern/ops/scale.hpp>
#include <quern/ops/split.hpp>
#include <quern/ops/transpose.hpp>

#include "support/draw.hpp"
#include "support/on_device.hpp"

#include <doctest/doctest.h>

using namespace test;

namespace {

/// All bf16 there are, in an order without rule; as float with lower bits of chance too.
template <class T>
Tensor<T, 2> all_bits(std::uint32_t stream) {
  Tensor<T, 2> x(256, 256);
  std::vector<std::uint32_t> order(1 << 16);
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  const Random random(20260104);
  random.shuffle(order, stream);
  for (std::uint32_t i = 0; i < order.size(); ++i)
    if constexpr (std::is_same_v<T, bf16>) {
      x.data()[i] = bf16::of_bits(std::uint16_t(order[i]));
    } else {
      x.data()[i] = __builtin_bit_cast(float, order[i] << 16 | (random.bits(stream, i) & 0xffff));
    }
  return x;
}

template <class T>
void expect_same(const Tensor<T, 2>& on_gpu, const Tensor<T, 2>& on_cpu) {
  CHECK(on_gpu.device() == test_device());
  const auto y = on_host(on_gpu);
  REQUIRE(y.shape() == on_cpu.shape());
  std::int64_t different = 0;
  for (std::int64_t i = 0; i < y.size(); ++i) {
    const T a = y.data()[i], b = on_cpu.data()[i];
    const bool both_nan = std::isnan(float(a)) && std::isnan(float(b));
    different += !both_nan && std::memcmp(&a, &b, sizeof a) != 0;
  }
  CHECK(different == 0);
}

}  // namespace

TEST_CASE_TEMPLATE("add, mul, scale and relu of all bf16 numbers, and of floats as many", T, float, bf16) {
  const auto a = all_bits<T>(1), b = all_bits<T>(2);
  const auto x = on_device(a), y = on_device(b);
  expect_same(add(x, y), add(a, b));
  expect_same(mul(x, y), mul(a, b));
  expect_same(scale(x, 1 / 3.0), scale(a, 1 / 3.0));
  expect_same(relu(x), relu(a));
}

TEST_CASE_TEMPLATE("dropout drops what it drops on the CPU", T, float, bf16) {
  const auto a = all_bits<T>(3);
  const auto x = on_device(a);
  const Random random(0x123456789abcdef, Purpose::dropout, 77);
  for (double p : {0.0, 0.1, 0.5, 0.999})
    expect_same(dropout_forward(x, p, random, 5).y, dropout_forward(a, p, random, 5).y);
  for (std::int64_t n : {1, 3, 7, 8, 9, 13}) {
    const auto part = slice(a, 1, 0, n);
    expect_same(dropout_forward(on_device(part), 0.3, random, 6).y, dropout_forward(part, 0.3, random, 6).y);
  }
}

TEST_CASE_TEMPLATE("concat, split and transpose, for units of 16, 8, 4 and 2 bytes and rows of any length", T, float,
                   bf16) {
  const auto a = all_bits<T>(4);
  const auto x = on_device(a);
  for (const auto& widths : std::vector<std::vector<std::int64_t>>{
           {128, 128}, {8, 240, 8}, {4, 252}, {2, 252, 2}, {1, 127, 128}, {255, 1}, {7, 9, 11, 13, 17, 199}}) {
    const auto parts = split(a, widths), on_gpu = split(x, widths);
    for (std::size_t i = 0; i < parts.size(); ++i) expect_same(on_gpu[i], parts[i]);
    expect_same(concat(on_gpu), a);
    expect_same(transpose(on_gpu[0]), transpose(parts[0]));
  }
  const auto wide = a.share(Shape<2>{4, 1 << 14});
  expect_same(slice(on_device(wide), 1, 5, 16001), slice(wide, 1, 5, 16001));
  expect_same(slice(on_device(wide), 1, 16, 16000), slice(wide, 1, 16, 16000));
}

TEST_CASE("ops refuse double on the device, and arguments from two devices") {
  const auto here = Tensor<float, 2>::of({1, 2}, {1, 2}), there = on_device(here);
  const auto exact = Tensor<double, 2>::of({1, 2}, {1, 2}).to(test_device());
  const auto expect_refused = [](const char* op, auto&& f, const char* why) {
    CHECK_THROWS_WITH_AS(f(), doctest::Contains(op), InvalidArgument);
    CHECK_THROWS_WITH_AS(f(), doctest::Contains(why), InvalidArgument);
  };
  const char *no_kernels = "there are no kernels for double", *apart = "on different devices";
  expect_refused(
      "add: ", [&] { (void)add(here, there); }, apart);
  expect_refused(
      "mul: ", [&] { (void)mul(there, here); }, apart);
  expect_refused(
      "concat: ",
      [&] {
        (void)concat(std::vector{here.share(), there.share()});
      },
      apart);
  expect_refused(
      "relu: ", [&] { (void)relu(exact); }, no_kernels);
  expect_refused(
      "scale: ", [&] { (void)scale(exact, 2); }, no_kernels);
  expect_refused(
      "slice: ", [&] { (void)slice(exact, 1, 0, 1); }, no_kernels);
  expect_refused(
      "transpose: ", [&] { (void)transpose(exact); }, no_kernels);
  expect_refused(
      "dropout: ", [&] { (void)dropout_forward(exact, 0.5, Random(1), 0); }, no_kernels);
  expect_refused(
      "concat: ", [&] { (void)concat(std::vector{exact.share()}); }, no_kernels);
}
