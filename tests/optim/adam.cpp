#include <quern/optim/adam.hpp>

#include <algorithm>

#include "goldens/losses_and_optimizers.hpp"
#include "optim/reference.hpp"
#include "support/expect_invalid.hpp"

namespace {

template <class T>
void expect_reference(const AdamOptions& o) {
  auto model = make_model<T>();
  auto grads = zeros_like(model);
  Adam adam(model, o);
  Reference reference(model, {o.decoupled ? Settings::Kind::adamw : Settings::Kind::adam, o.rate, o.beta1, o.beta2,
                              o.epsilon, o.weight_decay});
  for (std::uint32_t t = 0; t < 50; ++t) {
    fill_gradients(grads, t);
    reference.step(grads);
    adam.step(model, grads);
    expect_zero(grads);
  }
  CHECK(adam.steps == 50);
  CHECK(reference.distance(make_model<T>()) > 0.05);  // it moved
  CHECK(reference.distance(model) < (std::is_same_v<T, double> ? 1e-14 : 1e-5));
}

template <class T>
struct One {
  Tensor<T, 1> w;
  static void visit(auto&& f, auto&... m) { f("w", m.w...); }
};

std::vector<double> after_20_steps(const AdamOptions& o) {
  One<double> model{Tensor<double, 1>::of({5}, {1, -0.5, 0.25, 2, -1.5})};
  auto grads = zeros_like(model);
  Adam adam(model, o);
  for (int t = 0; t < 20; ++t) {
    auto g = Tensor<double, 1>::empty({5});
    for (int i = 0; i < 5; ++i) g(i) = model.w(i) / 4 + std::sin(double(t + i));
    accumulate(grads.w, g);
    adam.step(model, grads);
  }
  return {model.w.span().begin(), model.w.span().end()};
}

void expect_golden(const std::vector<double>& w, const std::vector<double>& golden) {
  REQUIRE(golden.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) CHECK(w[i] == doctest::Approx(golden[i]).epsilon(1e-12));
}

}  // namespace

TEST_CASE_TEMPLATE("Adam and AdamW follow their formulas over 50 steps", T, QUERN_TEST_REALS) {
  expect_reference<T>({.rate = 0.01});
  expect_reference<T>({.rate = 0.01, .beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3, .weight_decay = 0.05});
  expect_reference<T>({.rate = 0.01, .weight_decay = 0.05, .decoupled = true});
}

TEST_CASE("Adam and AdamW are PyTorch's") {
  if (has_cuda) return;  // of double; parity.cpp has float
  expect_golden(after_20_steps({.rate = 0.01}), goldens::adam);
  expect_golden(after_20_steps({.rate = 0.01, .beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3, .weight_decay = 0.05}),
                goldens::adam_decay);
  expect_golden(after_20_steps({.rate = 0.01, .weight_decay = 0.05, .decoupled = true}), goldens::adamw);
}

TEST_CASE_TEMPLATE("a row-sparse gradient steps like a dense one, bit for bit, with any number of threads", T,
                   QUERN_TEST_NUMBERS) {
  for (const AdamOptions& o : {AdamOptions{.rate = 0.01}, AdamOptions{.rate = 0.01, .weight_decay = 0.05},
                               AdamOptions{.rate = 0.01, .weight_decay = 0.05, .decoupled = true, .amsgrad = true}})
    expect_sparse_steps_as_dense<T>([&](const auto& model) { return Adam(model, o); });
}

TEST_CASE("a step over bf16 is float's, rounded once") {
  auto model = make_model<bf16>();
  auto exact = cast<float>(model);
  auto grads = zeros_like(model);
  fill_gradients(grads, 1);
  auto exact_grads = cast<float>(grads);
  Adam of_bf16(model, {.rate = 0.01, .amsgrad = true});
  Adam of_float(exact, of_bf16.options);
  of_bf16.step(model, grads), of_float.step(exact, exact_grads);
  expect_same_models(model, cast<bf16>(exact));
  expect_same_models(of_bf16.first, cast<bf16>(of_float.first));
  expect_same_models(of_bf16.second, cast<bf16>(of_float.second));
  CHECK_FALSE(same_bits(model.weight, make_model<bf16>().weight));
}

TEST_CASE("moments of rows no text touches fade to zero, not to numbers that are slow to compute with") {
  for (bool amsgrad : {false, true}) {
    auto model = make_model<float>();
    auto grads = zeros_like(model);
    const AdamOptions o{.rate = 0.01, .beta2 = 0.9};
    Adam adam(model, {.rate = 0.01, .beta2 = 0.9, .amsgrad = amsgrad});
    Reference reference(model, {Settings::Kind::adam, o.rate, o.beta1, o.beta2, o.epsilon, 0});
    for (std::uint32_t t = 0; t < 1200; ++t) {
      if (t < 3) fill_gradients(grads, t);
      if (!amsgrad) reference.step(grads);
      adam.step(model, grads);
      REQUIRE(subnormal_elements(adam) == 0);
    }
    for (const auto* moment : {&adam.first, &adam.second}) {
      const auto values = on_host(moment->weight);
      CHECK(std::count(values.span().begin(), values.span().end(), 0.f) == values.size());
    }
    if (!amsgrad) CHECK(reference.distance(model) < 1e-5);  // what faded moved no weight
  }
}

TEST_CASE_TEMPLATE("with epsilon 0 a row that was never touched stays, and other steps have their size", T,
                   QUERN_TEST_REALS) {
  One<T> model{on_device(Tensor<T, 1>::of({4}, {T(1), T(1), T(1), T(1)}))};
  auto grads = zeros_like(model);
  Adam adam(model, {.rate = 0.25, .epsilon = 0});
  accumulate(grads.w, on_device(Tensor<T, 1>::of({4}, {T(0), T(-3), T(1e-19), T(NAN)})));
  adam.step(model, grads);
  model = to(model, Device::cpu()), adam.second = to(adam.second, Device::cpu());
  CHECK(model.w(0) == 1);
  CHECK(double(model.w(1)) == doctest::Approx(1.25).epsilon(1e-6));
  CHECK(model.w(2) >= T(0.7));  // in float its square is no normal number
  CHECK(model.w(2) < 1);
  CHECK(std::isnan(model.w(3)));  // not hidden
  CHECK(std::isnan(adam.second.w(3)));
}

TEST_CASE("a large parameter is stepped the same with any number of threads") {
  const auto start = to(cast<float>(One<double>{drawn(Shape{50'001}, 1)}), test_device());
  One<float> first;
  for (int threads : {1, 2, 5}) {
    set_threads(threads);
    auto model = start;
    auto grads = zeros_like(model);
    Adam adam(model, {.rate = 0.01});
    for (int t = 0; t < 3; ++t) {
      accumulate(grads.w, start.w);
      adam.step(model, grads);
    }
    if (threads == 1) first = model;
    CHECK(same_bits(model.w, first.w));
    CHECK_FALSE(same_bits(model.w, start.w));
  }
}

TEST_CASE("a rule freezes parameters and scales the rate and the decay of others") {
  auto rule = [](const std::string& path) {
    return ParameterOptions{
        .train = path != "table", .rate = path == "bias" ? 0.5 : 1.0, .decay = path == "bias" ? 0.0 : 1.0};
  };
  using T = std::conditional_t<has_cuda, float, double>;
  auto model = make_model<T>(), whole = model, halved = model;
  auto grads = zeros_like(model, rule), whole_grads = zeros_like(whole), halved_grads = zeros_like(halved);
  Adam adam(model, {.rate = 0.01, .weight_decay = 0.1}, rule);
  CHECK(adam.first.table.size() == 0);
  Adam of_whole(whole, {.rate = 0.01, .weight_decay = 0.1}), of_halved(halved, {.rate = 0.005});
  const auto given = to(cast<T>(Model<double>{{}, drawn(Shape{5, 11}, 8), drawn(Shape{5}, 9), {}}), test_device());
  auto give = [&](Model<T>& g) { accumulate(g.weight, given.weight), accumulate(g.bias, given.bias); };
  for (int t = 0; t < 5; ++t) {
    give(grads), give(whole_grads), give(halved_grads);
    adam.step(model, grads, rule), of_whole.step(whole, whole_grads), of_halved.step(halved, halved_grads);
  }
  CHECK(same_bits(model.table, make_model<T>().table));
  CHECK(same_bits(model.weight, whole.weight));
  CHECK(same_bits(model.bias, halved.bias));
  CHECK_FALSE(same_bits(model.bias, whole.bias));
}

TEST_CASE("Adam refuses settings out of range and gradients of another model") {
  const auto model = make_model<float>();
  auto message = [&](const AdamOptions& o) { return message_of<InvalidArgument>([&] { Adam adam(model, o); }); };
  expect_message(message({.rate = -1}), {"adam: rate -1"});
  expect_message(message({.beta1 = 1}), {"adam: ", "beta1 1", "[0, 1)"});
  expect_message(message({.beta2 = -0.5}), {"adam: ", "beta2 -0.5"});
  expect_message(message({.epsilon = -1}), {"adam: ", "epsilon -1"});
  expect_message(message({.weight_decay = -1}), {"adam: ", "weight_decay -1"});
  auto other = model;
  auto grads = zeros_like(model);
  grads.weight = Tensor<float, 2>(11, 5);
  Adam adam(model);
  expect_message(message_of<InvalidArgument>([&] { adam.step(other, grads); }),
                 {"adam: weight is [5, 11]", "gradient [11, 5]", "zeros_like"});
}

TEST_CASE("Adam's state is walked like a model: steps, then both moments") {
  const auto model = make_model<float>();
  Adam adam(model);
  std::vector<std::string> names;
  walk([&](const Path& path, const auto&) { names.push_back(path.text()); }, adam);
  REQUIRE(names.size() == 11);
  CHECK(names.front() == "steps");
  CHECK(names[1] == "first.table");
  CHECK(names[6] == "second.table");
  names.clear();
  Adam with_largest(model, {.amsgrad = true});
  walk([&](const Path& path, const auto&) { names.push_back(path.text()); }, with_largest);
  REQUIRE(names.size() == 16);
  CHECK(names[11] == "largest.table");
}
