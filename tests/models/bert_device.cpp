/// BERT and the transformer trained on the device under test beside the CPU: what stands in models/bert.cpp is the
/// CPU's.
#include <doctest/doctest.h>

#include <cmath>

#include <quern/loss/cross_entropy.hpp>
#include <quern/models/bert.hpp>
#include <quern/models/transformer_classifier.hpp>
#include <quern/optim/adam.hpp>
#include <quern/optim/layerwise_decay.hpp>

#include "support/draw.hpp"
#include "support/on_device.hpp"

using namespace test;

namespace {

/// Pairs of texts, of one token to `longest`.
Batch drawn_batch(std::int64_t longest, std::int64_t vocabulary) {
  std::vector<std::vector<std::int32_t>> texts, types;
  std::vector<std::int32_t> labels;
  for (auto length : drawn_lengths(5, longest, 3)) {
    const auto ids = drawn_ids(length, vocabulary, 50 + std::uint32_t(texts.size()));
    texts.emplace_back(ids.span().begin(), ids.span().end());
    types.emplace_back(std::size_t(length), 0);
    for (std::int64_t t = length / 2; t < length; ++t) types.back()[std::size_t(t)] = 1;
    labels.push_back(std::int32_t(texts.size() % 2));
  }
  return pack(texts, labels, types);
}

/// Three steps of AdamW with dropout: the loss of each, and the weights at the end, on the host.
template <class M>
std::pair<std::vector<double>, M> trained(const M& model, const Batch& on_host, Device device) {
  M there = to(model, device);
  const Batch batch = to(on_host, device);
  const auto rule = layerwise_decay(2, 0.9);
  auto grads = zeros_like(there, rule);
  Adam adam(there, {.rate = 1e-2, .weight_decay = 0.01, .decoupled = true}, rule);
  std::vector<double> losses;
  for (std::uint32_t step = 0; step < 3; ++step) {
    Tape tape(Random(1, Purpose::dropout, step));
    const auto loss = cross_entropy(tape.watch(there, grads, rule)(batch), batch.labels);
    tape.backward(loss);
    losses.push_back(double(loss.item()));
    adam.step(there, grads, rule);
  }
  return {losses, to(there, Device::cpu())};
}

void expect_trained_alike(const auto& model, const Batch& batch) {
  const auto [here_losses, here] = trained(model, batch, Device::cpu());
  const auto [losses, there] = trained(model, batch, test_device());
  const auto again = trained(model, batch, test_device());
  for (std::size_t i = 0; i < losses.size(); ++i) CHECK(std::abs(losses[i] - here_losses[i]) <= 1e-4);
  double moved = 0;
  walk_tensors(
      [&](const Path& path, const auto& a, const auto& b, const auto& repeated, const auto& from) {
        if (path.text().ends_with("key.bias")) return;  // its gradient is zero: Adam moves it by rounding alone
        double worst = 0;
        for (std::int64_t i = 0; i < a.size(); ++i) {
          worst = std::max(worst, std::abs(double(a.data()[i]) - double(b.data()[i])));
          moved = std::max(moved, std::abs(double(a.data()[i]) - double(from.data()[i])));
        }
        CHECK_MESSAGE(worst <= 1e-3, path.text(), " differs by ", worst);
        CHECK_MESSAGE(same_bits(b, repeated), path.text());
      },
      here, there, again.second, model);
  CHECK(moved > 0.01);
}

}  // namespace

TEST_CASE("bert trains on the device as on the CPU, blocks kept or computed again") {
  auto model = make_bert_classifier({.vocabulary = 40,
                                     .hidden = 64,
                                     .layers = 2,
                                     .heads = 2,
                                     .intermediate = 48,
                                     .positions = 20,
                                     .initial_deviation = 0.2},
                                    1);
  const Batch batch = drawn_batch(20, 40);
  expect_trained_alike(model, batch);
  const auto kept = trained(model, batch, test_device());
  model.bert.recompute = true;
  const auto again = trained(model, batch, test_device());
  CHECK(kept.first == again.first);
  walk_tensors([](const Path& path, const auto& a, const auto& b) { CHECK_MESSAGE(same_bits(a, b), path.text()); },
               kept.second, again.second);
}

TEST_CASE("the transformer classifier trains on the device as on the CPU") {
  expect_trained_alike(
      make_transformer_classifier(
          {.vocabulary = 40, .classes = 2, .hidden = 64, .layers = 2, .heads = 2, .feed_forward = 48}, 1),
      drawn_batch(20, 40));
}
