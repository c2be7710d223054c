#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>

#include <data/files.hpp>
#include <train/toy.hpp>

#include "support/on_device.hpp"

using namespace test;

namespace {

const Encoded texts = toy_texts();
const Split split = toy_split(texts);

/// What a training comes to, with the loss of every step.
struct Run {
  std::vector<double> losses;
  TrainResult result;
  TextCnn<float> model = toy_model();
};

/// On the CPU or on the device under test.
Run run_on(Device device, TrainOptions options, TrainHooks hooks = {}, const TextCnn<float>& start = toy_model()) {
  Run run;
  run.model = start;
  options.device = device;
  const auto requests = pool_stats(device).requests;
  hooks.scalar_steps = 1;
  hooks.scalar = [&](const std::string& tag, double value, std::int64_t) {
    if (tag == "loss/batch") run.losses.push_back(value);
  };
  run.result = train(run.model, texts, split, 2, options, hooks);
  CHECK(pool_stats(device).requests > requests + 10 * run.losses.size());  // it was there
  return run;
}

TrainOptions two_epochs() {
  auto options = toy_options();
  options.epochs = 2;
  return options;
}

/// The largest difference of two lists of the same length.
double difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}
double difference(const TextCnn<float>& a, const TextCnn<float>& b) {
  double most = 0;
  walk_tensors(
      [&](const Path&, const auto& x, const auto& y) {
        for (std::int64_t i = 0; i < x.size(); ++i) most = std::max(most, std::abs(double(x.data()[i]) - y.data()[i]));
      },
      a, b);
  return most;
}

/// See docs/numerics.md.
constexpr double loss_bound = 1e-4, weight_bound = 1e-3;

/// The difference of all losses and of the last weights.
void expect_to_follow(const Run& run, const Run& on_cpu) {
  const double worst = difference(run.losses, on_cpu.losses), moved = difference(run.model, on_cpu.model);
  std::printf("text CNN, %d steps: losses differ by %.1e, weights by %.1e\n", int(run.losses.size()), worst, moved);
  CHECK(worst <= loss_bound);
  CHECK(moved <= weight_bound);
}

}  // namespace

TEST_CASE("a text CNN's losses on the device follow those of the CPU, step by step, and it repeats bit for bit") {
  const Run on_cpu = run_on(Device::cpu(), toy_options());
  const Run run = run_on(test_device(), toy_options()), again = run_on(test_device(), toy_options());
  REQUIRE(run.losses.size() > 70);
  CHECK(run.losses.back() < run.losses.front() / 3);  // it learns
  expect_to_follow(run, on_cpu);
  CHECK(run.model.words.weight.device().is_cpu());  // where it was before
  CHECK(run.losses == again.losses);
  CHECK(same_weights(run.model, again.model));
  CHECK(std::abs(run.result.dev.loss - on_cpu.result.dev.loss) <= loss_bound);
  CHECK(run.result.dev.texts == on_cpu.result.dev.texts);
}

TEST_CASE("so do those of one with the windows of Kim and vectors and filters of odd sizes") {
  auto options = two_epochs();
  options.batch = 13, options.rate = 0.005;
  const auto start =
      make_text_cnn({.vocabulary = 30, .classes = 2, .embedding = 60, .filters = 33, .word_dropout = 0.1}, 2);
  expect_to_follow(run_on(test_device(), options, {}, start), run_on(Device::cpu(), options, {}, start));
}

TEST_CASE("once the longest batch was seen, training asks the device for no memory") {
  std::vector<std::uint64_t> asked;
  struct Watching {
    std::vector<std::uint64_t>& asked;
    ParameterOptions operator()(const std::string& name) const {
      if (name == "words.weight") asked.push_back(pool_stats(test_device()).system_allocations);
      return {};
    }
  };
  auto options = toy_options();
  options.epochs = 4, options.device = test_device();
  auto model = toy_model();
  train(model, texts, split, 2, options, {}, Watching{asked});
  CHECK(asked.size() > 100);
  CHECK(asked.back() == asked[asked.size() / 2]);
}

TEST_CASE("clipping, decay, class weights, smoothing and warm-up follow the CPU too") {
  auto options = two_epochs();
  options.epochs = 1, options.clip = 0.5, options.weight_decay = 0.1, options.class_weights = {1, 2};
  options.label_smoothing = 0.1, options.warmup = 5;
  CHECK(difference(run_on(test_device(), options).losses, run_on(Device::cpu(), options).losses) <= loss_bound);
}

TEST_CASE("attacks follow the CPU, in training and in evaluation") {
  auto options = two_epochs();
  options.epochs = 1;
  options.attack = {.kind = AttackKind::pgd, .epsilon = 0.8, .steps = 2};
  const Run on_cpu = run_on(Device::cpu(), options);
  CHECK(difference(run_on(test_device(), options).losses, on_cpu.losses) <= loss_bound);
  const auto there = to(on_cpu.model, test_device());
  for (const Attack& attack : {options.attack, Attack{.kind = AttackKind::fgm, .epsilon = 0.3}}) {
    const auto expected = evaluate_under_attack(on_cpu.model, texts, split.held, 2, attack);
    CHECK(std::abs(evaluate_under_attack(there, texts, split.held, 2, attack).loss - expected.loss) <= loss_bound);
  }
  const auto p = probabilities_of(there, texts, 2), expected = probabilities_of(on_cpu.model, texts, 2);
  REQUIRE(p.device().is_cpu());
  for (std::int64_t i = 0; i < p.size(); ++i) CHECK(std::abs(p.data()[i] - expected.data()[i]) <= 1e-5f);
}

TEST_CASE("a checkpoint is the same file from either device, and either goes on with it") {
  const auto expected = run_on(Device::cpu(), two_epochs());
  std::string headers[2];
  for (bool first_on_device : {false, true}) {
    const TemporaryFolder folder;
    TrainHooks hooks;
    hooks.checkpoint = folder / "checkpoint", hooks.resume = true;
    std::atomic<bool> stop = false;
    hooks.stop = &stop;
    struct StopAfter {  // an epoch and a few steps
      std::atomic<bool>& stop;
      int* made;
      ParameterOptions operator()(const std::string& name) const {
        if (name == "words.weight") stop = ++*made > 40;
        return {};
      }
    };
    int made = 0;
    auto options = two_epochs();
    options.device = first_on_device ? test_device() : Device::cpu();
    auto model = toy_model();
    CHECK(train(model, texts, split, 2, options, hooks, StopAfter{stop, &made}).interrupted);
    const SafetensorsFile file(hooks.checkpoint);
    for (const auto& [name, entry] : file.tensors())
      headers[first_on_device] += text_of(name, " ", entry.dtype, " ", entry.begin, "-", entry.end, "\n");
    stop = false;
    const Run rest = run_on(first_on_device ? Device::cpu() : test_device(), two_epochs(), hooks);
    CHECK(!rest.result.interrupted);
    CHECK(rest.losses.size() < expected.losses.size());
    CHECK(rest.result.history.size() == 2);
    CHECK(difference(rest.model, expected.model) <= weight_bound);
  }
  CHECK(headers[0].find("adam.second.words.weight") != std::string::npos);
  CHECK(headers[0] == headers[1]);
}

TEST_CASE("a step that breaks on the device is named and kept as on the CPU") {
  const TemporaryFolder folder;
  TrainHooks hooks;
  hooks.trace = folder / "step.html", hooks.failed_step = folder / "failed_step.safetensors";
  auto options = two_epochs();
  options.epochs = 1, options.device = test_device();
  auto traced = toy_model();
  train(traced, texts, split, 2, options, hooks);
  CHECK(holds(read_file(folder / "step.html"), "\"title\":\"Step 1\"", "windows.2"));
  auto model = toy_model(), again = toy_model(2);
  model.words.weight.fill(2), model.windows[1].weight.fill(3e38f);
  const std::string said = error_of<Diverged>([&] { train(model, texts, split, 2, options, hooks); });
  CHECK(holds(said, "what broke first: conv1d_relu_max_over_time 2 (windows.1), forward", hooks.failed_step.c_str()));
  const std::string found = error_of([&] { rerun_failed_step(hooks.failed_step, again); });
  CHECK(holds(found, "conv1d_relu_max_over_time 2 (windows.1), forward"));
}

TEST_CASE("asking for a GPU that is not there is an error, never a run on the CPU") {
  auto options = two_epochs();
  options.device = Device::cuda(has_cuda ? 31 : 0);
  auto model = toy_model();
  CHECK(holds(error_of([&] { train(model, texts, split, 2, options); }),
              "asked for cuda:", has_cuda ? "CUDA devices" : "without a CUDA part"));
  CHECK(same_weights(model, toy_model()));
}
