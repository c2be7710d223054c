#include <quern/cuda/graph.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <vector>

#include <quern/loss/cross_entropy.hpp>
#include <quern/models/text_cnn.hpp>
#include <quern/ops/relu.hpp>
#include <quern/optim/adam.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/on_device.hpp"

using namespace test;

namespace {

Tensor<float, 2> filled(float value) {
  Tensor<float, 2> x(3, 5);
  x.fill(value);
  return x.to(test_device());
}

void write(Tensor<float, 2>& to, float value) {
  const auto from = filled(value);
  copy_bytes(to.data(), to.device(), from.data(), from.device(), to.bytes());
}

float first(const Tensor<float, 2>& x) { return x.to(Device::cpu())(0, 0); }

}  // namespace

TEST_CASE("a recorded graph computes when it is launched, with the inputs of then") {
  auto x = filled(2);
  cuda::Graph graph;
  const auto y = graph.record([&] { return relu(relu(x)); });
  write(x, 7);
  graph.launch();
  CHECK(first(y) == 7);
  write(x, -3);
  graph.launch();
  CHECK(first(y) == 0);
}

TEST_CASE("a graph's memory is its own until the graph is gone") {
  auto x = filled(2);
  std::optional<cuda::Graph> graph(std::in_place);
  const auto y = graph->record([&] { return relu(relu(x)); });
  std::vector<Tensor<float, 2>> others;
  for (int i = 0; i < 20; ++i) others.push_back(filled(9));  // would take the inner result's memory, were it free
  graph->launch();
  for (const auto& other : others) CHECK(first(other) == 9);
  CHECK(first(y) == 2);
  graph.reset();
  CHECK(first(y) == 2);  // a result may outlive the graph
}

TEST_CASE("recording again replaces what was recorded") {
  auto x = filled(2), y = filled(5);
  cuda::Graph graph;
  auto z = graph.record([&] { return relu(x); });
  z = graph.record([&] { return relu(y); });
  graph.launch();
  CHECK(first(z) == 5);
  graph.record([&] { accumulate(y, x); });
  graph.launch();
  graph.launch();
  CHECK(first(y) == 9);
}

TEST_CASE("steps of training that are recorded one after another have the bits of those that are not") {
  const Device device = test_device();
  const Batch batch = to(pack({{3, 1, 4, 1, 5}, {9, 2}, {6}}, {1, 0, 1}), device);
  const auto fresh = [&] {
    return to(make_text_cnn({.vocabulary = 12, .classes = 2, .embedding = 8, .filters = 4}, 3), device);
  };
  const auto trained = [&](auto&& around_step) {
    auto model = fresh();
    auto grads = zeros_like(model);
    Adam adam(model, {.rate = 1e-2});
    for (std::uint32_t s = 0; s < 3; ++s)
      around_step([&] {
        Tape tape(Random(1, Purpose::dropout, s));
        tape.backward(cross_entropy(tape.watch(model, grads)(batch), batch.labels));
        adam.step(model, grads);
      });
    cuda::synchronize();
    return model;
  };
  const auto plain = trained([](auto&& step) { step(); });
  cuda::Graph graph;
  const auto recorded = trained([&](auto&& step) {
    graph.record(step);
    graph.launch();
  });
  walk_tensors([](const Path& path, const auto& a, const auto& b) { CHECK_MESSAGE(same_bits(a, b), path.text()); },
               plain, recorded);
  CHECK(!same_bits(plain.words.weight, fresh().words.weight));
}

TEST_CASE("looking at results, or copying from the host, while a graph is recorded is an error that names it") {
  const auto x = filled(2);
  cuda::Graph graph;
  const auto message_of_recording = [&](auto&& f) { return message_of<Error>([&] { graph.record(f); }); };
  expect_message(message_of_recording([&] { return relu(x).to(Device::cpu()); }), {"graph: copying to the host while"});
  expect_message(message_of_recording([&] { return filled(1); }), {"graph: copying from the host while"});
  expect_message(message_of_recording([&] { graph.launch(); }), {"graph: launching a graph while"});
  const auto y = graph.record([&] { return relu(x); });  // and recording goes on as before
  graph.launch();
  CHECK(first(y) == 2);
  cuda::Graph empty;
  expect_message(message_of<Error>([&] { empty.launch(); }), {"nothing was recorded"});
}
