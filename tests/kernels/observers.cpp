/// Those who look on see on the device what they see on the CPU: the trace, its page, the stepper, the check for
/// numbers that are not finite, printing; and a checkpoint computes there what it stands for.
#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>

#include <unistd.h>

#include <quern/autograd/checkpoint.hpp>
#include <quern/autograd/finite_check.hpp>
#include <quern/models/text_cnn.hpp>
#include <quern/ops/dropout.hpp>
#include <quern/ops/mul.hpp>
#include <quern/ops/relu.hpp>
#include <quern/ops/scale.hpp>
#include <quern/tensor/print.hpp>
#include <quern/train/failed_step.hpp>
#include <quern/train/stepper.hpp>
#include <quern/train/trace_page.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/on_device.hpp"
#include "support/weighted_sum.hpp"

using namespace test;

namespace {

template <class T>
struct Layer {
  Tensor<T, 2> x, weight;
  static void visit(auto&& f, auto&... m) { f("x", m.x...), f("layer.weight", m.weight...); }
  auto operator()(double factor = 0.5) const { return scale(relu(mul(x, weight)), factor); }
};

Layer<float> layer_on(Device device) {
  auto layer = cast<float>(Layer<double>{drawn(Shape{2, 3}, 1), drawn(Shape{2, 3}, 2)});
  name_parameters(layer);
  return to(layer, device);
}

/// Loss and backward pass of a layer under an observer, twice scaled by `factor`.
void pass_under(TapeObserver& observer, const Layer<float>& layer, double factor = 0.5) {
  auto grads = zeros_like(layer);
  Tape tape;
  tape.observe(&observer);
  tape.backward(weighted_sum(scale(tape.watch(layer, grads)(factor), factor), drawn_weights(6)));
}

/// What a stepper prints.
std::string steps_of(const Layer<float>& layer) {
  std::FILE* out = std::tmpfile();
  Stepper stepper(nullptr, out);
  pass_under(stepper, layer);
  std::string text(std::size_t(std::ftell(out)), '\0');
  std::rewind(out);
  CHECK(std::fread(text.data(), 1, text.size(), out) == text.size());
  std::fclose(out);
  return text;
}

/// Without signs of zeros: a gradient that was all zero takes over a -0 on the CPU, and adds it on a GPU.
std::string page_of(const Trace& trace) {
  std::string page = trace_page(trace);
  for (auto at = page.find("-0.0,"); at != page.npos; at = page.find("-0.0,", at)) page.erase(at, 1);
  return page;
}

}  // namespace

TEST_CASE("a trace of a pass on the device shows the CPU's numbers, on its page too") {
  Trace here, there;
  pass_under(here, layer_on(Device::cpu())), pass_under(there, layer_on(test_device()));
  REQUIRE(here.ops().size() == there.ops().size());
  const auto expect_equal = [](const Summary& a, const Summary& b) {
    CHECK(a.size == b.size);
    CHECK(a.norm == b.norm);
    CHECK(a.first == b.first);
  };
  for (int i = 0; i < int(here.values().size()); ++i) expect_equal(here.value(i).summary, there.value(i).summary);
  for (std::size_t i = 0; i < here.ops().size(); ++i) {
    expect_equal(here.ops()[i].gradient, there.ops()[i].gradient);
    for (std::size_t k = 0; k < here.ops()[i].inputs.size(); ++k)
      expect_equal(here.ops()[i].input_gradients[k], there.ops()[i].input_gradients[k]);
  }
  CHECK(there.value(0).at.tensor.memory.device() == test_device());
  CHECK(there.value(0).summary.norm > 0);
  CHECK((page_of(here) == page_of(there)));
}

TEST_CASE("a stepper prints on the device what it prints on the CPU, derivatives too") {
  const std::string there = steps_of(layer_on(test_device()));
  CHECK(there == steps_of(layer_on(Device::cpu())));
  CHECK(there.find("a row for each element of the result") != std::string::npos);
}

TEST_CASE("numbers that are not finite are found on the device, with the CPU's message") {
  const auto message = [](Device device, double factor, float first) {
    auto layer = layer_on(Device::cpu());
    layer.x.fill(first), layer.weight.fill(1);
    FiniteCheck check;
    return message_of<FiniteCheck::Failure>([&] { pass_under(check, to(layer, device), factor); });
  };
  const auto expect = [&](double factor, float first, std::initializer_list<std::string> parts) {
    const std::string found = message(test_device(), factor, first);
    expect_message(found, parts);
    CHECK(found == message(Device::cpu(), factor, first));
  };
  expect(1e30, 1, {"scale 2, forward: its result [2, 3] has 6 of 6 elements not finite"});
  expect(1e30, 1e-38f, {"scale 1, backward: the gradient of relu 1 [2, 3] has 6 of 6"});
  expect(1, std::numeric_limits<float>::quiet_NaN(), {"x: 6 of 6 elements not finite", "before the pass"});
  CHECK(message(test_device(), 1, 1).empty());
}

TEST_CASE("a tensor on the device is printed with its elements") {
  const auto x = Tensor<float, 2>::of({2, 2}, {1, 2.5f, -3, 4}), y = on_device(x);
  const std::string here = text_of(x), there = text_of(y);
  CHECK(there.starts_with(text_of("[2, 2] float ", test_device(), "\n")));
  CHECK(there.substr(there.find('\n')) == here.substr(here.find('\n')));
  CHECK(text_of(Tensor<float, 2>({0, 3}, test_device())).starts_with("[0, 3] float "));
}

TEST_CASE("a checkpoint on the device has the bits of what it stands for, random numbers too") {
  const auto layer = layer_on(test_device());
  const auto gradients = [&](bool again) {
    auto grads = zeros_like(layer);
    Tape tape(Random(3, Purpose::dropout, 1));
    const auto recorded = tape.watch(layer, grads);
    const auto part = [](const auto& l) { return dropout(l(), 0.5); };
    tape.backward(weighted_sum(again ? checkpoint(part, recorded) : part(recorded), drawn_weights(6)));
    return grads;
  };
  const auto plain = gradients(false), again = gradients(true);
  CHECK(same_bits(plain.x, again.x));
  CHECK(same_bits(plain.weight, again.weight));
  CHECK(again.x.device() == test_device());
}

TEST_CASE("a step that broke on the device is kept in a file, and breaks again from there") {
  const auto make = [](float weight) {
    auto model = make_text_cnn({.vocabulary = 9, .classes = 2, .embedding = 3, .filters = 2, .widths = {1, 2}}, 1);
    model.words.weight.fill(2), model.windows[1].weight.fill(weight);
    return to(model, test_device());
  };
  const Batch batch = to(pack({{1, 2, 3}, {4, 5}}, {0, 1}), test_device());
  const StepRecipe recipe{.step = 4, .seed = 9, .label_smoothing = 0.1, .class_weights = {1, 2}};
  const std::string path =
      (std::filesystem::temp_directory_path() / text_of("quern_observers_", std::int64_t(::getpid()))).string();
  CHECK(find_failure(make(1), batch, recipe, path).empty());
  const std::string found = find_failure(make(3e38f), batch, recipe, path);
  expect_message(found, {"conv1d_relu_max_over_time 2 (windows.1), forward: its result [2, 2] has ", path});
  auto other = make(1);
  const std::string again = message_of<FiniteCheck::Failure>([&] { rerun_failed_step(path, other); });
  CHECK(!again.empty());
  CHECK(found.starts_with(again));
  CHECK(other.words.weight.device() == test_device());
  Tensor<float, 2> input(5, 3);
  SafetensorsFile(path).read("op.input.0", input);
  CHECK(input(4, 2) == 2);
  std::remove(path.c_str());
}
