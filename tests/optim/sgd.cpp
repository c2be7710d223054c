#include <quern/optim/sgd.hpp>

#include "goldens/losses_and_optimizers.hpp"
#include "optim/reference.hpp"
#include "support/expect_invalid.hpp"

namespace {

template <class T>
struct One {
  Tensor<T, 1> w;
  static void visit(auto&& f, auto&... m) { f("w", m.w...); }
};

}  // namespace

TEST_CASE_TEMPLATE("SGD follows its formula over 50 steps, with and without decay", T, double, float) {
  for (double decay : {0.0, 0.05}) {
    auto model = make_model<T>();
    auto grads = zeros_like(model);
    const Sgd sgd{.rate = 0.05, .weight_decay = decay};
    Reference reference(model, {.kind = Settings::Kind::sgd, .rate = 0.05, .decay = decay});
    for (std::uint32_t t = 0; t < 50; ++t) {
      fill_gradients(grads, t);
      reference.step(grads);
      sgd.step(model, grads);
      expect_zero(grads);
    }
    CHECK(reference.distance(make_model<T>()) > 0.05);
    CHECK(reference.distance(model) < (std::is_same_v<T, double> ? 1e-14 : 1e-5));
  }
}

TEST_CASE("SGD is PyTorch's") {
  for (bool decay : {false, true}) {
    One<double> model{Tensor<double, 1>::of({5}, {1, -0.5, 0.25, 2, -1.5})};
    auto grads = zeros_like(model);
    for (int t = 0; t < 20; ++t) {
      for (int i = 0; i < 5; ++i) grads.w(i) = model.w(i) / 4 + std::sin(double(t + i));
      // Gradients written by hand count, though no op listed their rows.
      Sgd{.rate = 0.1, .weight_decay = decay ? 0.05 : 0.0}.step(model, grads);
    }
    const auto& golden = decay ? goldens::sgd_decay : goldens::sgd;
    for (std::size_t i = 0; i < 5; ++i) CHECK(model.w(i) == doctest::Approx(golden[i]).epsilon(1e-12));
  }
}

TEST_CASE_TEMPLATE("a row-sparse gradient steps like a dense one, bit for bit, with any number of threads", T, float,
                   double) {
  for (double decay : {0.0, 0.05}) {
    const Sgd sgd{.rate = 0.05, .weight_decay = decay};
    Model<T> first;
    for (int threads : {1, 2, 5}) {
      set_threads(threads);
      auto sparse = make_model<T>(), dense = make_model<T>();
      auto sparse_grads = zeros_like(sparse), dense_grads = zeros_like(dense);
      for (std::uint32_t t = 0; t < 20; ++t) {
        fill_gradients(sparse_grads, t), fill_gradients(dense_grads, t, true);
        sgd.step(sparse, sparse_grads), sgd.step(dense, dense_grads);
      }
      expect_same_models(sparse, dense);
      if (threads == 1) first = sparse;
      expect_same_models(sparse, first);
    }
  }
}

TEST_CASE("a rule freezes parameters and scales the rate of others") {
  auto rule = [](const std::string& path) {
    return ParameterOptions{.train = path != "table", .rate = path == "bias" ? 0.5 : 1.0};
  };
  auto model = make_model<double>();
  const auto before = model;
  auto grads = zeros_like(model, rule);
  accumulate(grads.weight, drawn(Shape{5, 11}, 8));
  accumulate(grads.bias, drawn(Shape{5}, 9));
  Sgd{.rate = 0.25}.step(model, grads, rule);
  CHECK(same_bits(model.table, before.table));
  CHECK(model.weight(4, 10) == before.weight(4, 10) - 0.25 * drawn(Shape{5, 11}, 8)(4, 10));
  CHECK(model.bias(4) == before.bias(4) - 0.125 * drawn(Shape{5}, 9)(4));
}

TEST_CASE("SGD refuses gradients of another model") {
  auto model = make_model<float>();
  auto grads = zeros_like(model);
  grads.bias = Tensor<float, 1>(6);
  expect_message(message_of<InvalidArgument>([&] { Sgd{}.step(model, grads); }),
                 {"sgd: bias is [5]", "gradient [6]", "zeros_like"});
}
