#include <quern/optim/lamb.hpp>

#include <algorithm>

#include "optim/reference.hpp"
#include "support/expect_invalid.hpp"

TEST_CASE_TEMPLATE("a row-sparse gradient steps LAMB like a dense one, bit for bit, with any number of threads", T,
                   QUERN_TEST_NUMBERS) {
  for (const LambOptions& o : {LambOptions{.rate = 0.01}, LambOptions{.rate = 0.01, .weight_decay = 0.05}})
    expect_sparse_steps_as_dense<T>([&](const auto& model) { return Lamb(model, o); });
}

TEST_CASE("the first step of LAMB is as long as rate times the parameter; zero weights take Adam's") {
  using T = std::conditional_t<has_cuda, float, double>;
  const double precision = has_cuda ? 1e-5 : 1e-12;
  auto model = make_model<T>();
  model.bias.fill(0);
  const auto before = to(model, Device::cpu()).weight;
  auto grads = zeros_like(model);
  fill_gradients(grads, 1, true);
  Lamb lamb(model, {.rate = 0.01, .epsilon = 0});
  lamb.step(model, grads);
  const auto after = to(model, Device::cpu());
  double moved = 0, size = 0;
  for (std::int64_t i = 0; i < 55; ++i) {
    const double b = before.data()[i], w = after.weight.data()[i];
    moved += (w - b) * (w - b), size += b * b;
  }
  CHECK(std::sqrt(moved / size) == doctest::Approx(0.01).epsilon(precision));
  for (double b : after.bias.span()) CHECK(std::abs(b) == doctest::Approx(0.01).epsilon(precision));
  CHECK(std::count(after.table.span().begin(), after.table.span().end(), T(0)) == 0);
  lamb.step(model, grads);  // a zero gradient
  const auto weight = on_host(model.weight);
  for (double b : weight.span()) CHECK(std::isfinite(b));
}

TEST_CASE("the norms of a large parameter keep their digits, and its step does not depend on threads") {
  Model<float> first, model;
  const auto start = drawn(Shape{50'001}, 1);
  const auto in_float = to(cast<float>(Model<double>{{}, {}, start, {}}), test_device());
  for (int threads : {1, 2, 5}) {
    set_threads(threads);
    model.bias = in_float.bias;
    auto grads = zeros_like(model);
    accumulate(grads.bias, model.bias);
    Lamb lamb(model, {.rate = 0.5});
    lamb.step(model, grads);
    if (threads == 1) first = model;
    CHECK(same_bits(model.bias, first.bias));
  }
  double moved = 0, size = 0;
  const auto bias = on_host(model.bias);
  for (std::int64_t i = 0; i < start.size(); ++i)
    moved += std::pow(double(bias(i)) - start(i), 2), size += start(i) * start(i);
  CHECK(std::sqrt(moved / size) == doctest::Approx(0.5).epsilon(1e-5));
}

TEST_CASE("LAMB's moments fade to zero, not to numbers that are slow to compute with") {
  auto model = make_model<float>();
  auto grads = zeros_like(model);
  Lamb lamb(model, {.rate = 1e-3, .beta2 = 0.9});
  for (std::uint32_t t = 0; t < 1200; ++t) {
    if (t < 3) fill_gradients(grads, t);
    lamb.step(model, grads);
    REQUIRE(subnormal_elements(lamb) == 0);
  }
  const auto values = on_host(lamb.second.weight);
  CHECK(std::count(values.span().begin(), values.span().end(), 0.f) == values.size());
}

TEST_CASE("a rule freezes parameters of LAMB and scales the rate of others") {
  auto rule = [](const std::string& path) {
    return ParameterOptions{.train = path != "table", .rate = path == "bias" ? 0.5 : 1.0};
  };
  auto model = make_model<float>(), halved = model;
  auto grads = zeros_like(model, rule), halved_grads = zeros_like(halved);
  fill_gradients(halved_grads, 2);
  accumulate(grads.bias, halved_grads.bias);
  Lamb lamb(model, {.rate = 0.1}, rule), of_halved(halved, {.rate = 0.05});
  lamb.step(model, grads, rule), of_halved.step(halved, halved_grads);
  CHECK(same_bits(model.table, make_model<float>().table));
  CHECK(same_bits(model.bias, halved.bias));
}

TEST_CASE("LAMB refuses settings out of range and gradients of another model") {
  auto model = make_model<float>();
  auto message = [&](const LambOptions& o) { return message_of<InvalidArgument>([&] { Lamb lamb(model, o); }); };
  expect_message(message({.rate = -1}), {"lamb: rate -1"});
  expect_message(message({.beta1 = 1}), {"beta1 1", "[0, 1)"});
  expect_message(message({.beta2 = -0.5}), {"beta2 -0.5"});
  expect_message(message({.epsilon = -1}), {"epsilon -1"});
  expect_message(message({.weight_decay = -1}), {"weight_decay -1"});
  auto grads = zeros_like(model);
  grads.weight = Tensor<float, 2>(11, 5);
  Lamb lamb(model);
  expect_message(message_of<InvalidArgument>([&] { lamb.step(model, grads); }),
                 {"lamb: weight is [5, 11]", "gradient [11, 5]", "zeros_like"});
}
