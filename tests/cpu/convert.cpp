#include <quern/cpu/convert.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <quern/cpu/gemm.hpp>

#include "support/draw.hpp"

using namespace test;

namespace {

/// Elements of a matrix in memory that is longer than it, as bf16 and as the floats they stand for.
struct Operand {
  std::vector<bf16> low;
  std::vector<float> wide;
  Operand(std::int64_t n, std::uint32_t stream) {
    const auto x = drawn(Shape{n}, stream);
    for (double v : x.span()) low.push_back(bf16(v)), wide.push_back(low.back());
  }
};

/// bf16 gemm must be the float gemm on the same numbers, rounded once. Strides as in cpu::Matrix; `length`: elements
/// of memory.
void expect_rounded_product(std::int64_t M, std::int64_t N, std::int64_t K, cpu::Matrix<const bf16> a,
                            std::int64_t a_length, cpu::Matrix<const bf16> b, std::int64_t b_length, bool bias,
                            bool accumulate) {
  INFO("M ", M, " N ", N, " K ", K, " strides ", a.row_stride, " ", a.col_stride, " ", b.row_stride);
  const std::int64_t ldc = N + 3;
  const Operand A(a_length, 1), B(b_length, 2), shift(N, 3), C(M * ldc, 4);
  auto low = C.low;
  auto wide = C.wide;
  a.data = A.low.data(), b.data = B.low.data();
  cpu::gemm<bf16>(M, N, K, a, b, low.data(), ldc, bias ? shift.low.data() : nullptr, Activation::relu, accumulate);
  cpu::gemm<float>(M, N, K, {A.wide.data(), a.row_stride, a.col_stride}, {B.wide.data(), b.row_stride, b.col_stride},
                   wide.data(), ldc, bias ? shift.wide.data() : nullptr, Activation::relu, accumulate);
  int wrong = 0;
  for (std::int64_t i = 0; i < M * ldc; ++i) wrong += low[std::size_t(i)].bits != bf16(wide[std::size_t(i)]).bits;
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("convert and add_converted, over several chunks and in odd lengths") {
  for (std::int64_t n : {0, 1, 17, 3 * 16384 + 5}) {
    const Operand x(n, 1), y(n, 2);
    std::vector<float> wide(x.low.size());
    std::vector<bf16> low(x.low.size());
    auto sum = y.wide;
    cpu::convert(x.low.data(), wide.data(), n);
    cpu::add_converted(x.low.data(), sum.data(), n);
    cpu::convert(sum.data(), low.data(), n);
    int wrong = 0;
    for (std::size_t i = 0; i < x.low.size(); ++i)
      wrong += (wide[i] != x.wide[i]) + (sum[i] != x.wide[i] + y.wide[i]) + (low[i].bits != bf16(sum[i]).bits);
    CHECK(wrong == 0);
  }
}

TEST_CASE("what is computed as it is stored is neither copied nor rounded") {
  const Tensor<float, 1> x(5);
  CHECK(cpu::Widened<float>(x.data(), 5).data() == x.data());
  auto y = x.share();
  CHECK(cpu::rounded<float>(std::move(y)).data() == x.data());
  const cpu::Widened<bf16> none(nullptr, 0);
  CHECK(cpu::rounded<bf16>(Tensor<float, 2>::of({1, 2}, {1.0f, 1 + 0x1p-8f}))(0, 1).bits == bf16(1).bits);
}

TEST_CASE("a bf16 product is the float product of the same numbers, rounded once") {
  for (bool more : {false, true})
    for (auto [m, n, k] : {std::array{1, 1, 1}, {5, 7, 3}, {13, 33, 17}, {40, 35, 400}, {3, 2, 0}}) {
      const std::int64_t M = m, N = n, K = k;
      expect_rounded_product(M, N, K, {nullptr, K, 1}, M * K, {nullptr, N, 1}, K * N, more, !more);
      expect_rounded_product(M, N, K, {nullptr, 1, M}, M * K, {nullptr, 1, K}, K * N, more, more);
      expect_rounded_product(M, N, K, {nullptr, K + 5, 1}, M * (K + 5), {nullptr, 1, K + 4}, N * (K + 4), more, false);
    }
  expect_rounded_product(20, 6, 24, {nullptr, 8, 1}, 20 * 8 + 16, {nullptr, 6, 1}, 24 * 6, true, false);  // overlapping
}

TEST_CASE("a bf16 product sums in float: many small terms are not lost") {
  constexpr std::int64_t K = 4096;
  std::vector<bf16> a(K, bf16(1)), b(K, bf16(0x1p-8f)), c(1);
  cpu::gemm<bf16>(1, 1, K, {a.data(), K, 1}, {b.data(), 1, 1}, c.data(), 1);
  CHECK(float(c[0]) == 16);  // summed in bf16 it would stop at 1
}
