/// The fast kernels of softmax and log_softmax, which keep a row in registers, against the plain ones, for every way of
/// holding a row, and rows that begin anywhere.
#include <quern/cuda/log_softmax.hpp>
#include <quern/cuda/softmax.hpp>

#include "support/draw.hpp"
#include "support/expect_op.hpp"
#include "support/unaligned.hpp"

using namespace test;

namespace {

template <class T>
struct Matrix {
  Tensor<T, 2> x;
  static void visit(auto&& f, auto&... m) { f("x", m.x...); }
};
template <class T>
Tensor<T, 2> matrix(std::int64_t rows, std::int64_t n, std::uint32_t stream) {
  return on_device(cast<T>(Matrix<double>{drawn(Shape{rows, n}, stream)}).x);
}

/// Elements differ by two roundings at most, of numbers up to `largest`.
template <class T>
void expect_alike(const char* what, const Tensor<T, 2>& fast, const Tensor<T, 2>& plain, double largest) {
  INFO(plain.shape().last());
  expect_close(what, numbers(fast), numbers(plain), 2 * largest * double(std::numeric_limits<T>::epsilon()));
}

template <class T>
void expect_fast_as_plain(const Tensor<T, 2>& x, const Tensor<T, 2>& dy) {
  auto fast = empty_like(x), plain = empty_like(x);
  const double share = std::min(1.0, 8 / double(x.extent(1)));  // elements of softmax are at most e²/n
  cuda::softmax(x.view(), fast.view());
  cuda::softmax_plain(x.view(), plain.view());
  expect_alike("softmax", fast, plain, share);
  const auto p = plain;
  cuda::softmax_backward(dy.view(), p.view(), fast.view());
  cuda::softmax_backward_plain(dy.view(), p.view(), plain.view());
  expect_alike("softmax_backward", fast, plain, 2 * share);
  cuda::log_softmax(x.view(), fast.view());
  cuda::log_softmax_plain(x.view(), plain.view());
  expect_alike("log_softmax", fast, plain, 16);
  const auto l = plain;
  cuda::log_softmax_backward(dy.view(), l.view(), fast.view());
  cuda::log_softmax_backward_plain(dy.view(), l.view(), plain.view());
  expect_alike("log_softmax_backward", fast, plain, 4);
}

}  // namespace

TEST_CASE_TEMPLATE("softmax by registers is softmax by passes", T, float, bf16) {
  for (std::int64_t n :
       {1,   2,    31,   32,   33,   255,  256,  257,  264,  504,    512,    513,    520,    768,    769,
        776, 1000, 1016, 1023, 1024, 1025, 1032, 2047, 4104, 16'384, 16'385, 16'392, 32'760, 32'768, 32'776})
    expect_fast_as_plain(matrix<T>(n < 2000 ? 5 : 1, n, 1), matrix<T>(n < 2000 ? 5 : 1, n, 2));
}

TEST_CASE_TEMPLATE("softmax of rows that do not begin at multiples of 16 bytes", T, float, bf16) {
  for (std::int64_t n : {8, 264, 1032}) {
    const Unaligned<T, 2> x(matrix<T>(3, n, 1)), dy(matrix<T>(3, n, 2));
    expect_fast_as_plain(x.tensor, dy.tensor);
    Unaligned<T, 2> y(Shape{3, n});
    auto expected = empty_like(x.tensor);
    const auto aligned = matrix<T>(3, n, 1);
    cuda::softmax(aligned.view(), y.tensor.view());
    cuda::softmax_plain(aligned.view(), expected.view());
    expect_alike("softmax", y.tensor, expected, std::min(1.0, 8 / double(n)));
  }
}
