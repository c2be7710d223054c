#include <quern/cpu/eigen.hpp>
#include <quern/models/transformer_classifier.hpp>

#include <doctest/doctest.h>

#include <quern/autograd/gradcheck.hpp>
#include <quern/loss/cross_entropy.hpp>
#include <quern/ops/slice.hpp>
#include <quern/optim/adam.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"

using namespace test;
using Texts = std::vector<std::vector<std::int32_t>>;

namespace {

TransformerClassifierConfig tiny(std::int64_t positions = 0, double dropout = 0) {
  return {.vocabulary = 11,
          .classes = 3,
          .hidden = 8,
          .layers = 2,
          .heads = 2,
          .feed_forward = 12,
          .positions = positions,
          .dropout = dropout,
          .out_dropout = dropout,
          .word_dropout = dropout};
}
Batch batch() { return pack({{1, 2, 3}, {4}, {5, 6, 7, 8, 9, 10}, {3, 3}}, {0, 2, 1, 1}); }

double distance(const Tensor<float, 2>& a, const Tensor<float, 2>& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0;
  for (std::int64_t i = 0; i < a.size(); ++i)
    worst = std::max(worst, std::abs(double(a.data()[i]) - double(b.data()[i])));
  return worst;
}

}  // namespace

TEST_CASE("transformer_classifier: its size is what its config says, its values depend on the seed alone") {
  for (std::int64_t positions : {0, 6}) {
    const auto m = make_transformer_classifier(tiny(positions), 1);
    CHECK(double(count_parameters(m)) == tiny(positions).parameters());
    CHECK(m(batch()).shape() == Shape{4, 3});
    CHECK(std::string(m.blocks[1].output.bias.name()) == "blocks.1.output.bias");
    CHECK(same_bits(m(batch()), make_transformer_classifier(tiny(positions), 1)(batch())));
    CHECK_FALSE(same_bits(m(batch()), make_transformer_classifier(tiny(positions), 2)(batch())));
  }
}

TEST_CASE("transformer_classifier: the order of words counts") {
  const Batch one = pack({{1, 2, 3}}), other = pack({{3, 2, 1}});
  for (std::int64_t positions : {0, 6}) {
    const auto m = make_transformer_classifier(tiny(positions), 1);
    CHECK(distance(m(one), m(other)) > 1e-3);
  }
}

TEST_CASE("transformer_classifier: a text's logits do not depend on its neighbours in the batch") {
  const auto m = make_transformer_classifier({.vocabulary = 300, .classes = 4, .hidden = 96, .heads = 3}, 3);
  Texts some;
  for (auto length : drawn_lengths(12, 70, 2)) {
    const auto ids = drawn_ids(length, 300, 100 + std::uint32_t(some.size()));
    some.emplace_back(ids.span().begin(), ids.span().end());
  }
  const auto together = m(pack(some));
  for (std::size_t b = 0; b < some.size(); ++b)
    CHECK(distance(m(pack({some[b]})), slice(together, 0, std::int64_t(b), std::int64_t(b) + 1)) <= 1e-5);
}

TEST_CASE("transformer_classifier passes gradcheck, with both kinds of positions, with dropout") {
  for (std::int64_t positions : {0, 6}) {
    GradcheckOptions options;
    options.random_changes_value = positions > 0;
    options.most = 24;
    options.floor = 1e-2;  // the gradient of the key's bias is zero; differences of the loss are good to 1e-9
    const auto report = gradcheck(
        make_transformer_classifier<double>(tiny(positions, positions > 0 ? 0.2 : 0), 1),
        [&](const auto& m) { return cross_entropy(m(batch()), batch().labels); }, options);
    CHECK_MESSAGE(report.ok(), report.text());
    CHECK(report.parameters.size() == std::size_t(1 + (positions > 0) + 2 * 16 + 4));
  }
}

TEST_CASE("transformer_classifier: recomputed blocks and more threads give the same bits") {
  auto m = make_transformer_classifier(tiny(0, 0.2), 1);
  const auto pass = [&](bool recompute, int threads) {
    set_threads(threads);
    m.recompute = recompute;
    auto grads = zeros_like(m);
    Tape tape(Random(5, Purpose::dropout, 3));
    tape.backward(cross_entropy(tape.watch(m, grads)(batch()), batch().labels));
    return grads;
  };
  const auto kept = pass(false, 1);
  for (int threads : {1, 2, 5}) {
    const auto again = pass(true, threads);
    walk_tensors([](const Path& at, const auto& a, const auto& b) { CHECK_MESSAGE(same_bits(a, b), at.text()); }, kept,
                 again);
  }
  set_threads(1);
}

TEST_CASE("transformer_classifier learns its texts by heart") {
  auto model = make_transformer_classifier(tiny(), 1);
  auto grads = zeros_like(model);
  Adam adam(model, {.rate = 1e-2});
  double loss = 0;
  for (int step = 0; step < 40; ++step) {
    Tape tape;
    const auto l = cross_entropy(tape.watch(model, grads)(batch()), batch().labels);
    tape.backward(l);
    CHECK(tape.without_gradient().empty());
    adam.step(model, grads);
    loss = double(l.item());
  }
  CHECK(loss < 0.05);
}

TEST_CASE("transformer_classifier refuses sizes that make no model, and texts longer than its table") {
  auto message = [](auto&& f) { return message_of<InvalidArgument>(f); };
  expect_message(message([] { (void)make_transformer_classifier({.classes = 2}, 1); }),
                 {"transformer_classifier: vocabulary 0", "at least 1"});
  expect_message(
      message([] { (void)make_transformer_classifier({.vocabulary = 5, .classes = 2, .hidden = 10, .heads = 4}, 1); }),
      {"hidden 10", "multiple of heads, 4"});
  const auto m = make_transformer_classifier(tiny(2), 1);
  expect_message(message([&] { (void)m(batch()); }), {"transformer_classifier: text 0 has 3 tokens", "2 positions"});
}
