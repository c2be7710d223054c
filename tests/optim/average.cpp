#include <quern/optim/average.hpp>

#include "optim/reference.hpp"
#include "support/expect_invalid.hpp"

TEST_CASE_TEMPLATE("an average begins with the weights of its first update, and has memory of its own", T,
                   QUERN_TEST_NUMBERS) {
  auto model = make_model<T>();
  MovingAverage moving(model, {.decay = 0.75});
  MovingAverage warm(model, {.decay = 0.75, .warm_up = true});
  EqualAverage equal(model);
  for (int t = 0; t < 3; ++t) {
    model.bias.fill(T(t * 11));
    moving.update(model), warm.update(model), equal.update(model);
    if (t > 0) continue;
    for (const auto* a : {&moving.average, &warm.average, &equal.average}) expect_same_models(*a, model);
  }
  const auto third = [](const Model<T>& m) { return on_host(m.bias)(2); };
  CHECK(float(third(moving.average)) == 0.75f * 2.75f + 0.25f * 22);
  CHECK(float(third(warm.average)) ==
        doctest::Approx(9.0 * 3 / 12 + 22.0 * 9 / 12).epsilon(0.01));  // decays 2/11, 3/12
  CHECK(float(third(equal.average)) == doctest::Approx(11).epsilon(0.01));
  CHECK(same_bits(moving.average.weight, model.weight));
  CHECK(third(model) == T(22));
  CHECK(equal.updates == 3);
}

TEST_CASE("an average refuses a decay out of range and a model of another shape") {
  auto model = make_model<float>();
  for (double decay : {-0.5, 1.5})
    expect_message(message_of<InvalidArgument>([&] { MovingAverage average(model, {.decay = decay}); }),
                   {text_of("moving average: decay ", decay), "[0, 1]"});
  MovingAverage average(model);
  model.weight = Tensor<float, 2>(11, 5);
  expect_message(message_of<InvalidArgument>([&] { average.update(model); }),
                 {"average: weight is [11, 5] in the model, [5, 11]"});
}
