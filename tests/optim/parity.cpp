#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <quern/nn/initialise.hpp>
#include <quern/optim/adam.hpp>
#include <quern/optim/average.hpp>
#include <quern/optim/clip.hpp>
#include <quern/optim/lamb.hpp>
#include <quern/optim/schedule.hpp>
#include <quern/optim/sgd.hpp>

#include "support/gradients.hpp"

using namespace test;

namespace {

using Numbers = std::vector<double>;

/// What goldens/optimizers.py wrote: "name count" and the numbers.
const Numbers& golden(const std::string& name) {
  static const auto all = [] {
    std::ifstream in(QUERN_SOURCE_DIR "/tests/goldens/optimizers.txt");
    std::map<std::string, Numbers> read;
    std::size_t count = 0;
    for (std::string key; in >> key >> count;) {
      Numbers& values = read[key];
      values.resize(count);
      for (double& v : values) in >> v;
      REQUIRE(in);
    }
    return read;
  }();
  REQUIRE_MESSAGE(all.contains(name), name);
  return all.at(name);
}

template <class T>
struct Net {
  Tensor<T, 2> table{6, 3}, weight{3, 4};
  Tensor<T, 1> bias{Shape<1>{3}};
  static void visit(auto&& f, auto&... m) { f("table", m.table...), f("weight", m.weight...), f("bias", m.bias...); }
};
constexpr std::size_t parameters = 33;

/// Copies 33 numbers into the net; of gradients, lists the rows of the table that are not zero.
template <class T>
void fill(Net<T>& net, const double* from) {
  walk_tensors(
      [&](const Path&, auto& w) {
        for (auto& x : w.span()) x = T(*from++);
        if (w.storage()->touched) w.storage()->touched->all = true;
      },
      net);
  auto* touched = net.table.storage()->touched;
  if (!touched) return;
  touched->all = false;
  for (std::int32_t r = 0; r < 6; ++r)
    if (net.table(r, 0) != 0 || net.table(r, 1) != 0 || net.table(r, 2) != 0) touch_row(net.table, r);
}

/// The net that all begin with, on the device under test.
template <class T>
Net<T> started() {
  Net<T> net;
  fill(net, golden("start").data());
  return to(net, test_device());
}

/// Of all that were compared, for the last case to print.
template <class T>
double largest_error = 0;

/// Steps a net with the gradients of the golden. `step(net, grads, t)` gives the net whose weights are compared. The
/// error is norm-wise, relative to the weights PyTorch has; the largest after 1, 10 and 100 steps.
template <class T>
double error_of(const std::string& name, auto&& step) {
  auto net = started<T>();
  auto made = zeros_like(Net<T>()), grads = zeros_like(net);
  const double* expected = golden("optimizer." + name).data();
  double worst = 0;
  for (std::size_t t = 0; t < 100; ++t) {
    zero(made.table);
    fill(made, golden("gradients").data() + t * parameters);
    put_gradients(grads, made);
    const Net<T>& stepped = step(net, grads, t);
    if (t + 1 != 1 && t + 1 != 10 && t + 1 != 100) continue;
    const auto result = to(stepped, Device::cpu());
    double difference = 0, size = 0;
    walk_tensors(
        [&](const Path&, const auto& w) {
          for (double x : w.span()) {
            difference += (x - *expected) * (x - *expected);
            size += *expected * *expected;
            ++expected;
          }
        },
        result);
    worst = std::max(worst, std::sqrt(difference / size));
  }
  largest_error<T> = std::max(largest_error<T>, worst);
  return worst;
}

}  // namespace

TEST_CASE_TEMPLATE("optimizers equal PyTorch's over 100 steps", T, QUERN_TEST_REALS) {
  const double bound = std::is_same_v<T, double> ? 1e-12 : 1e-6;
  const auto start = started<T>();
  auto expect = [&](const char* name, auto optimizer) {
    CHECK_MESSAGE(error_of<T>(
                      name,
                      [&](auto& net, auto& grads, std::size_t) -> auto& {
                        optimizer.step(net, grads);
                        return net;
                      }) < bound,
                  std::string(name));
  };
  expect("sgd", Sgd{.rate = 0.05});
  expect("sgd_decay", Sgd{.rate = 0.05, .weight_decay = 0.1});
  auto momentum = [&](const MomentumOptions& o) { return Momentum(start, o); };
  expect("momentum", momentum({.rate = 0.05}));
  expect("momentum_decay", momentum({.rate = 0.05, .weight_decay = 0.1}));
  expect("dampening", momentum({.rate = 0.05, .momentum = 0.8, .dampening = 0.25, .weight_decay = 0.1}));
  expect("nesterov", momentum({.rate = 0.05, .nesterov = true}));
  expect("nesterov_decay", momentum({.rate = 0.05, .weight_decay = 0.1, .nesterov = true}));
  auto adam = [&](const AdamOptions& o) { return Adam(start, o); };
  expect("adam", adam({.rate = 0.01}));
  expect("adam_decay", adam({.rate = 0.01, .beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3, .weight_decay = 0.1}));
  expect("adam_amsgrad", adam({.rate = 0.01, .beta2 = 0.8, .amsgrad = true}));
  expect("adamw", adam({.rate = 0.01, .weight_decay = 0.1, .decoupled = true}));
  expect("adamw_amsgrad", adam({.rate = 0.01, .beta2 = 0.8, .weight_decay = 0.1, .decoupled = true, .amsgrad = true}));
  auto lamb = [&](const LambOptions& o) { return Lamb(start, o); };
  expect("lamb", lamb({.rate = 0.01}));  // from the paper: PyTorch has none
  expect("lamb_decay", lamb({.rate = 0.01, .beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3, .weight_decay = 0.1}));

  auto cycled = momentum({});
  const OneCycle cycle{.peak = 0.1, .total = 101};
  CHECK(error_of<T>(
            "one_cycle_momentum", [&](auto& net, auto& grads, std::size_t t) -> auto& {
              cycled.options.rate = cycle(std::int64_t(t)), cycled.options.momentum = cycle.momentum(std::int64_t(t));
              cycled.step(net, grads);
              return net;
            }) < bound);
}

TEST_CASE_TEMPLATE("clipping and averages equal PyTorch's over 100 steps", T, QUERN_TEST_REALS) {
  const double bound = std::is_same_v<T, double> ? 1e-12 : 1e-6;
  const Sgd sgd{.rate = 0.05};
  auto expect_average = [&](const char* name, auto average) {
    CHECK_MESSAGE(error_of<T>(
                      name,
                      [&](auto& net, auto& grads, std::size_t) -> auto& {
                        sgd.step(net, grads);
                        average.update(net);
                        return average.average;
                      }) < bound,
                  std::string(name));
  };
  expect_average("moving_average", MovingAverage(started<T>(), {.decay = 0.95}));
  expect_average("warm_moving_average", MovingAverage(started<T>(), {.decay = 0.95, .warm_up = true}));
  expect_average("equal_average", EqualAverage(started<T>()));
  CHECK(error_of<T>(
            "clip_value", [&](auto& net, auto& grads, std::size_t) -> auto& {
              clip_value(grads, 0.75);
              sgd.step(net, grads);
              return net;
            }) < bound);
  std::printf("optimizers against PyTorch, %s: largest error %.1e\n", dtype_name<T>, largest_error<T>);
  std::size_t clipped = 0;
  // PyTorch divides by the norm + 1e-6.
  CHECK(error_of<T>(
            "clip_norm", [&](auto& net, auto& grads, std::size_t) -> auto& {
              clipped += clip_global_norm(grads, 4.5) > 4.5;
              sgd.step(net, grads);
              return net;
            }) < 1e-6);
  CHECK(clipped > 10);
  CHECK(clipped < 90);
}

TEST_CASE("schedules equal PyTorch's at each of 100 steps") {
  auto expect = [](const std::string& name, auto&& rate) {
    const Numbers& expected = golden("schedule." + name);
    REQUIRE(expected.size() == 100);
    double worst = 0;
    for (std::size_t t = 0; t < 100; ++t) worst = std::max(worst, std::abs(rate(std::int64_t(t)) - expected[t]));
    CHECK_MESSAGE(worst < 1e-12, name);
  };
  expect("constant", ConstantRate{1});
  expect("step", StepRate{.peak = 1, .every = 30, .factor = 0.5});
  expect("linear", LinearWarmup{.peak = 1, .warmup = 10, .total = 90});
  expect("cosine", CosineRate{.peak = 1, .total = 100, .least = 0.01});
  expect("cosine_warm", CosineRate{.peak = 1, .warmup = 10, .total = 100});
  const OneCycle cycle{.peak = 1, .total = 101};
  expect("one_cycle", cycle);
  expect("one_cycle_momentum", [&](std::int64_t t) { return cycle.momentum(t); });
  expect("one_cycle_short", OneCycle{.peak = 1, .total = 101, .rising = 0.1, .divisor = 10, .last_divisor = 100});
}

TEST_CASE("gains and fans of initial values are PyTorch's") {
  const Numbers gains{relu_gain(), relu_gain(0.2), tanh_gain, 1};
  REQUIRE(golden("gains").size() == gains.size());
  for (std::size_t i = 0; i < gains.size(); ++i) CHECK(gains[i] == doctest::Approx(golden("gains")[i]).epsilon(1e-14));
  const Fans conv = fans(Tensor<float, 3>(30, 20, 5)), linear = fans(Tensor<float, 2>(7, 11));
  CHECK(Numbers{conv.in, conv.out, linear.in, linear.out} == golden("fans"));
}
