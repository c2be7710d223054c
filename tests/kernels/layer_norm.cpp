/// The fast kernels of layer_norm and layer_norm_residual, which keep a row in registers, against the plain ones, for
/// every way of holding a row, and rows that begin anywhere.
#include <quern/cuda/layer_norm.hpp>
#include <quern/cuda/layer_norm_residual.hpp>
#include <quern/tensor/random.hpp>

#include "support/draw.hpp"
#include "support/expect_op.hpp"
#include "support/unaligned.hpp"

using namespace test;

namespace {

constexpr double eps = 1e-5;
const Random random_(11, Purpose::dropout, 2);

template <class T>
struct Inputs {
  Tensor<T, 2> x, residual, dy;
  Tensor<T, 1> weight, bias;
  static void visit(auto&& f, auto&... m) {
    f("x", m.x...), f("residual", m.residual...), f("dy", m.dy...), f("weight", m.weight...), f("bias", m.bias...);
  }
};
template <class T>
Inputs<T> inputs(std::int64_t rows, std::int64_t n) {
  const Shape shape{rows, n};
  const Inputs<double> exact{drawn(shape, 1), drawn(shape, 2), drawn(shape, 3), drawn_off_zero(Shape{n}, 4),
                             drawn(Shape{n}, 5)};
  return to(cast<T>(exact), test_device());
}

/// What either kernel writes.
template <class T>
struct Outputs {
  explicit Outputs(Shape<2> shape)
      : y(shape, test_device()),
        dx(shape, test_device()),
        dresidual(shape, test_device()),
        mean(Shape{shape[0]}, test_device()),
        rstd(Shape{shape[0]}, test_device()),
        dweight(Shape{shape[1]}, test_device()),
        dbias(Shape{shape[1]}, test_device()) {}
  Tensor<T, 2> y, dx, dresidual;
  Tensor<float, 1> mean, rstd;
  Tensor<T, 1> dweight, dbias;
};

template <class T>
void expect_alike(const Outputs<T>& fast, const Outputs<T>& plain) {
  const double few = 8 * double(std::numeric_limits<T>::epsilon()), rows = double(fast.y.extent(0));
  INFO(plain.y.shape().last());
  expect_close("mean", numbers(fast.mean), numbers(plain.mean), 1e-6);
  expect_close("rstd", numbers(fast.rstd), numbers(plain.rstd), 1e-4);
  expect_close("y", numbers(fast.y), numbers(plain.y), few);
  expect_close("dx", numbers(fast.dx), numbers(plain.dx), 4 * few);
  expect_close("dresidual", numbers(fast.dresidual), numbers(plain.dresidual), 4 * few);
  expect_close("dweight", numbers(fast.dweight), numbers(plain.dweight), few * rows);
  expect_close("dbias", numbers(fast.dbias), numbers(plain.dbias), few * rows);
}

template <class T>
void expect_fast_as_plain(const Inputs<T>& in) {
  const auto& [x, residual, dy, weight, bias] = in;
  const auto w = weight.view(), b = bias.view();
  Outputs<T> fast(x.shape()), plain(x.shape());
  cuda::layer_norm(x.view(), w, b, eps, fast.y.view(), fast.mean.data(), fast.rstd.data());
  cuda::layer_norm_plain(x.view(), w, b, eps, plain.y.view(), plain.mean.data(), plain.rstd.data());
  cuda::layer_norm_backward(dy.view(), x.view(), w, fast.mean.data(), fast.rstd.data(), fast.dx.view(),
                            fast.dweight.view(), fast.dbias.view());
  cuda::layer_norm_backward_plain(dy.view(), x.view(), w, plain.mean.data(), plain.rstd.data(), plain.dx.view(),
                                  plain.dweight.view(), plain.dbias.view());
  expect_alike(fast, plain);
}

template <class T>
void expect_fast_as_plain(const Inputs<T>& in, double p) {
  const auto& [x, residual, dy, weight, bias] = in;
  const auto w = weight.view(), b = bias.view();
  const auto stream = random_.stream(3);
  Outputs<T> fast(x.shape()), plain(x.shape());
  cuda::layer_norm_residual(x.view(), residual.view(), p, stream, w, b, eps, fast.y.view(), fast.mean.data(),
                            fast.rstd.data());
  cuda::layer_norm_residual_plain(x.view(), residual.view(), p, stream, w, b, eps, plain.y.view(), plain.mean.data(),
                                  plain.rstd.data());
  cuda::layer_norm_residual_backward(dy.view(), x.view(), residual.view(), p, stream, w, fast.mean.data(),
                                     fast.rstd.data(), fast.dx.view(), fast.dresidual.view(), fast.dweight.view(),
                                     fast.dbias.view());
  cuda::layer_norm_residual_backward_plain(dy.view(), x.view(), residual.view(), p, stream, w, plain.mean.data(),
                                           plain.rstd.data(), plain.dx.view(), plain.dresidual.view(),
                                           plain.dweight.view(), plain.dbias.view());
  expect_alike(fast, plain);
}

constexpr std::int64_t lengths[] = {5,   32,  255,  256,  257,  264,  512,  513,  520,  768,
                                    776, 777, 1000, 1024, 1025, 1032, 4101, 8192, 8200, 16'392};

}  // namespace

TEST_CASE_TEMPLATE("layer_norm by registers is layer_norm by passes", T, float, bf16) {
  for (std::int64_t n : lengths) expect_fast_as_plain(inputs<T>(n < 2000 ? 7 : 2, n));
  expect_fast_as_plain(inputs<T>(2200, 8));  // more rows than teams in the backward pass
}

TEST_CASE_TEMPLATE("layer_norm_residual by registers is layer_norm_residual by passes", T, float, bf16) {
  for (double p : {0.0, 0.4})
    for (std::int64_t n : lengths) expect_fast_as_plain(inputs<T>(n < 2000 ? 5 : 1, n), p);
}

TEST_CASE_TEMPLATE("layer_norm of rows that do not begin at multiples of 16 bytes", T, float, bf16) {
  for (std::int64_t n : {8, 264, 1032}) {
    auto in = inputs<T>(3, n);
    const Unaligned<T, 2> x(in.x);
    const Unaligned<T, 1> weight(in.weight);
    expect_fast_as_plain(
        Inputs<T>{x.tensor.share(), in.residual.share(), in.dy.share(), in.weight.share(), in.bias.share()});
    expect_fast_as_plain(
        Inputs<T>{in.x.share(), x.tensor.share(), in.dy.share(), weight.tensor.share(), in.bias.share()}, 0.4);
  }
}
