#include <quern/optim/sgd.hpp>

#include <algorithm>

#include "goldens/losses_and_optimizers.hpp"
#include "optim/reference.hpp"
#include "support/expect_invalid.hpp"

namespace {

template <class T>
struct One {
  Tensor<T, 1> w;
  static void visit(auto&& f, auto&... m) { f("w", m.w...); }
};

/// Sgd with nothing to walk.
struct Stateless : Sgd {
  static void visit(auto&&, auto&...) {}
};

}  // namespace

TEST_CASE_TEMPLATE("SGD follows its formula over 50 steps, with and without decay", T, QUERN_TEST_REALS) {
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
  if (has_cuda) return;  // of double, and by hand; parity.cpp has float
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

TEST_CASE_TEMPLATE("a row-sparse gradient steps like a dense one, bit for bit, with any number of threads", T,
                   QUERN_TEST_NUMBERS) {
  for (double decay : {0.0, 0.05})
    expect_sparse_steps_as_dense<T>([&](const auto&) { return Stateless{{.rate = 0.05, .weight_decay = decay}}; });
  for (const MomentumOptions& o : {MomentumOptions{.rate = 0.05, .dampening = 0.25},
                                   MomentumOptions{.rate = 0.05, .weight_decay = 0.05, .nesterov = true}})
    expect_sparse_steps_as_dense<T>([&](const auto& model) { return Momentum(model, o); });
}

TEST_CASE("a step with momentum over bf16 is float's, rounded once") {
  auto model = make_model<bf16>();
  auto exact = cast<float>(model);
  auto grads = zeros_like(model);
  fill_gradients(grads, 1);
  auto exact_grads = cast<float>(grads);
  Momentum of_bf16(model, {.rate = 0.1, .weight_decay = 0.1, .nesterov = true});
  Momentum of_float(exact, of_bf16.options);
  of_bf16.step(model, grads), of_float.step(exact, exact_grads);
  expect_same_models(model, cast<bf16>(exact));
  expect_same_models(of_bf16.velocity, cast<bf16>(of_float.velocity));
  CHECK_FALSE(same_bits(model.weight, make_model<bf16>().weight));
}

TEST_CASE("the velocity of rows no text touches fades to zero, not to numbers that are slow to compute with") {
  auto model = make_model<float>();
  auto grads = zeros_like(model);
  Momentum sgd(model, {.rate = 0.1});
  for (std::uint32_t t = 0; t < 1200; ++t) {
    if (t < 3) fill_gradients(grads, t);
    sgd.step(model, grads);
    REQUIRE(subnormal_elements(sgd) == 0);
  }
  const auto values = on_host(sgd.velocity.weight);
  CHECK(std::count(values.span().begin(), values.span().end(), 0.f) == values.size());
}

TEST_CASE("a rule freezes parameters and scales the rate of others") {
  auto rule = [](const std::string& path) {
    return ParameterOptions{.train = path != "table", .rate = path == "bias" ? 0.5 : 1.0};
  };
  auto model = make_model<float>();
  const auto before = to(model, Device::cpu());
  auto grads = zeros_like(model, rule);
  const auto given = cast<float>(Model<double>{{}, drawn(Shape{5, 11}, 8), drawn(Shape{5}, 9), {}});
  accumulate(grads.weight, on_device(given.weight));
  accumulate(grads.bias, on_device(given.bias));
  Sgd{.rate = 0.25}.step(model, grads, rule);
  const auto after = to(model, Device::cpu());
  CHECK(same_bits(after.table, before.table));
  CHECK(after.weight(4, 10) == before.weight(4, 10) - 0.25f * given.weight(4, 10));
  CHECK(after.bias(4) == before.bias(4) - 0.125f * given.bias(4));
}

TEST_CASE("SGD refuses gradients of another model") {
  auto model = make_model<float>();
  auto grads = zeros_like(model);
  grads.bias = Tensor<float, 1>(6);
  expect_message(message_of<InvalidArgument>([&] { Sgd{}.step(model, grads); }),
                 {"sgd: bias is [5]", "gradient [6]", "zeros_like"});
  Momentum sgd(model);
  expect_message(message_of<InvalidArgument>([&] { sgd.step(model, grads); }),
                 {"momentum: bias is [5]", "gradient [6]", "velocity [5]", "zeros_like"});
}

TEST_CASE("momentum refuses settings out of range") {
  const auto model = make_model<float>();
  auto message = [&](const MomentumOptions& o) { return message_of<InvalidArgument>([&] { Momentum sgd(model, o); }); };
  expect_message(message({.rate = -1}), {"momentum: rate -1", "at least 0"});
  expect_message(message({.momentum = -0.5}), {"momentum -0.5"});
  expect_message(message({.weight_decay = -2}), {"weight_decay -2"});
  expect_message(message({.momentum = 0, .nesterov = true}), {"nesterov with momentum 0"});
  expect_message(message({.dampening = 0.5, .nesterov = true}), {"dampening 0.5"});
  CHECK(message({.dampening = 0.5}).empty());
}

TEST_CASE("a rule freezes parameters of momentum and scales rate and decay of others") {
  auto rule = [](const std::string& path) {
    return ParameterOptions{
        .train = path != "table", .rate = path == "bias" ? 0.5 : 1.0, .decay = path == "bias" ? 0.0 : 1.0};
  };
  auto model = make_model<float>(), halved = model;
  auto grads = zeros_like(model, rule), halved_grads = zeros_like(halved);
  Momentum sgd(model, {.rate = 0.1, .weight_decay = 0.1}, rule), of_halved(halved, {.rate = 0.05});
  for (int t = 0; t < 3; ++t) {
    const auto given = cast<float>(Model<double>{{}, {}, drawn(Shape{5}, 9), {}}).bias;
    for (auto* g : {&grads.bias, &halved_grads.bias}) accumulate(*g, on_device(given));
    sgd.step(model, grads, rule), of_halved.step(halved, halved_grads);
  }
  CHECK(sgd.velocity.table.size() == 0);
  CHECK(same_bits(model.table, make_model<float>().table));
  CHECK(same_bits(model.bias, halved.bias));
  CHECK_FALSE(same_bits(model.weight, make_model<float>().weight));  // of decay alone
}
