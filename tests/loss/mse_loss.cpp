#include <quern/loss/mse_loss.hpp>

#include <cmath>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"
#include "support/number_of.hpp"

using namespace test;

namespace {

template <class T>
struct Inputs {
  Tensor<T, 2> x;
  static void visit(auto&& f, auto&... m) { f("x", m.x...); }
};

}  // namespace

TEST_CASE("mse_loss") {
  for (auto shape : {Shape{1, 1}, Shape{2, 1}, Shape{1, 17}, Shape{7, 13}, Shape{33, 64}, Shape{3, 4099}}) {
    const auto targets = in_every_type(Inputs<double>{drawn(shape, 2)});
    expect_op(
        Inputs<double>{drawn(shape, 1)}, {.terms = shape.size(), .backward_terms = 2, .most = 40, .step = 1e-4},
        [&]<class X>(const Inputs<X>& in) { return mse_loss(in.x, beside(in.x, cast<number_of<X>>(targets).x)); },
        [&](const Inputs<double>& in) {
          double sum = 0;
          for (std::int64_t i = 0; i < in.x.size(); ++i) sum += std::pow(in.x.data()[i] - targets.x.data()[i], 2);
          return std::vector<double>{sum / double(in.x.size())};
        });
  }
}

TEST_CASE("mse_loss: a mean over all elements of any rank, by hand") {
  const auto x = on_device<float>(Shape{4}, {1, 2, 3, 4}), y = on_device<float>(Shape{4}, {1, 0, 3, 8});
  const auto f = mse_loss_forward(x, y);
  CHECK(f.loss.item() == 5);
  CHECK(same_bits(mse_loss_backward(on_device<float>(Shape<0>{}, {2}), f.saved),
                  on_device<float>(Shape{4}, {0, 2, 0, -4})));
  const auto nan = on_device<float>(Shape{4}, {1, 2, NAN, 4});
  CHECK(std::isnan(mse_loss(nan, y).item()));
  CHECK(std::isnan(mse_loss(x, nan).item()));
}

TEST_CASE("mse_loss refuses shapes that differ, and nothing at all") {
  expect_invalid([] { (void)mse_loss(Tensor<float, 2>(2, 3), Tensor<float, 2>(3, 2)); },
                 {"mse_loss: ", "predictions is [2, 3] float", "targets is [3, 2] float"});
  expect_invalid([] { (void)mse_loss(Tensor<float, 2>(0, 3), Tensor<float, 2>(0, 3)); },
                 {"mse_loss: ", "predictions is [0, 3]", "at least one element"});
}
