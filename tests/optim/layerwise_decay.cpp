#include <quern/optim/layerwise_decay.hpp>

#include <doctest/doctest.h>

#include "support/expect_invalid.hpp"

using namespace test;

TEST_CASE("layerwise_decay: rates fall from the head down to the embeddings") {
  const auto rule = layerwise_decay(12, 0.9);
  const auto rate = [&](const char* name) { return rule(name).rate; };
  CHECK(rate("classifier.weight") == 1);
  CHECK(rate("bert.pooler.weight") == 1);
  CHECK(rate("bert.blocks.11.output.weight") == doctest::Approx(0.9));
  CHECK(rate("bert.blocks.0.attention.query.bias") == doctest::Approx(std::pow(0.9, 12)));
  CHECK(rate("bert.embeddings.words.weight") == doctest::Approx(std::pow(0.9, 13)));
  CHECK(rate("blocks.3.output.weight") == doctest::Approx(std::pow(0.9, 9)));
  CHECK(rate("words.weight") == doctest::Approx(std::pow(0.9, 13)));
  CHECK(rate("positions.weight") == doctest::Approx(std::pow(0.9, 13)));
  CHECK(rate("out.weight") == 1);
  CHECK(rate("myblocks.1.weight") == 1);
  CHECK(layerwise_decay(12, 1)("bert.embeddings.words.weight").rate == 1);
}

TEST_CASE("layerwise_decay: biases and norms are not decayed") {
  const auto rule = layerwise_decay(2, 0.5);
  for (const char* name :
       {"bias", "classifier.bias", "bert.blocks.1.output_norm.weight", "norm.weight", "bert.embeddings.norm.bias"}) {
    CHECK_MESSAGE(rule(name).decay == 0, name);
    CHECK(rule(name).train);
  }
  for (const char* name : {"classifier.weight", "bert.blocks.1.output.weight", "bert.embeddings.words.weight"})
    CHECK_MESSAGE(rule(name).decay == 1, name);
}

TEST_CASE("layerwise_decay refuses what is no decay") {
  for (double decay : {0.0, -0.5, 1.1})
    expect_invalid([&] { (void)layerwise_decay(2, decay); }, {"layerwise_decay: 2 layers"});
  expect_invalid([&] { (void)layerwise_decay(-1, 1); }, {"-1 layers"});
}
