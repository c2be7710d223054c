/// The code of docs/gpu.md, compiled and run on the device under test; see snippets.cpp.
#include <doctest/doctest.h>

#include <cmath>

#include <quern/cuda/backend.hpp>
#include <quern/cuda/graph.hpp>
#include <quern/quern.hpp>

using namespace quern;

TEST_CASE("docs/gpu.md") {
  constexpr std::uint64_t seed = 1;
  std::uint32_t step = 0;
  Encoded texts;
  const Random random(seed, Purpose::test);
  for (std::uint32_t t = 0; t < 8; ++t) {
    for (std::uint64_t w = 0; w < 3 + t; ++w) texts.ids.push_back(std::int32_t(random.below(40, t, w)));
    texts.offsets.push_back(std::int64_t(texts.ids.size()));
    texts.labels.push_back(std::int32_t(t % 2));
  }
  // snippet: gpu-train
  const Device gpu = Device::cuda();
  auto model = to(make_text_cnn({.vocabulary = 40, .classes = 2, .embedding = 16, .filters = 8}, seed), gpu);
  auto grads = zeros_like(model);  // on the device of the model, as are Adam's moments
  Adam adam(model, {.rate = 1e-2});
  for (const Batch& on_host : batches(texts, 4, seed)) {
    const Batch batch = to(on_host, gpu);
    Tape tape(Random(seed, Purpose::dropout, step++));
    const auto loss = cross_entropy(tape.watch(model, grads)(batch), batch.labels);
    tape.backward(loss);
    adam.step(model, grads);
  }
  const auto on_cpu = to(model, Device::cpu());  // to save, or to look at numbers
  // end
  CHECK(step == 2);
  const Batch on_host = pack({{3, 1, 4}, {1, 5}}), batch = to(on_host, gpu);
  // snippet: gpu-graph
  cuda::Graph graph;
  const auto logits = graph.record([&] { return model(batch); });  // recorded, not computed
  graph.launch();                                                  // now logits hold numbers
  // end
  const auto expected = on_cpu(on_host), got = logits.to(Device::cpu());
  for (std::int64_t i = 0; i < 4; ++i) CHECK(std::abs(got.data()[i] - expected.data()[i]) <= 1e-5);
  // snippet: gpu-backend
  if (*cuda::vendor_libraries()) cuda::use_backend(cuda::Backend::vendor);
  // end
  cuda::use_backend(cuda::Backend::own);
}
