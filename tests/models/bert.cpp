#include <quern/cpu/eigen.hpp>
#include <quern/models/bert.hpp>

#include <doctest/doctest.h>

#include <quern/autograd/gradcheck.hpp>
#include <quern/loss/cross_entropy.hpp>
#include <quern/loss/info_nce.hpp>
#include <quern/ops/slice.hpp>
#include <quern/optim/adam.hpp>
#include <quern/optim/layerwise_decay.hpp>
#include <quern/optim/mixed_precision.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"

using namespace test;
using Texts = std::vector<std::vector<std::int32_t>>;

namespace {

const BertConfig tiny{.vocabulary = 11,
                      .hidden = 8,
                      .layers = 2,
                      .heads = 2,
                      .intermediate = 12,
                      .positions = 6,
                      .classes = 3,
                      .initial_deviation = 0.5};

const Texts texts = {{1, 2, 3}, {4}, {5, 6, 7, 8, 9, 10}, {3, 3}};
const Texts types = {{0, 0, 1}, {0}, {0, 1, 1, 1, 1, 1}, {0, 0}};
Batch batch() { return pack(texts, {0, 2, 1, 1}, types); }

template <class T, int Rank>
double distance(const Tensor<T, Rank>& a, const Tensor<T, Rank>& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0;
  for (std::int64_t i = 0; i < a.size(); ++i)
    worst = std::max(worst, std::abs(double(a.data()[i]) - double(b.data()[i])));
  return worst;
}

/// Loss and gradients of a pass with dropout.
template <template <class> class M, class T>
std::pair<T, M<T>> pass(const M<T>& model, auto&& logits, const Ids& labels) {
  std::pair<T, M<T>> result{0, zeros_like(model)};
  Tape tape(Random(5, Purpose::dropout, 3));
  const auto loss = cross_entropy(logits(tape.watch(model, result.second)), labels);
  tape.backward(loss);
  CHECK(tape.without_gradient().empty());
  result.first = loss.item();
  return result;
}
void expect_same_bits(const auto& a, const auto& b) {
  CHECK(std::memcmp(&a.first, &b.first, sizeof a.first) == 0);
  walk_tensors([](const Path& at, const auto& x, const auto& y) { CHECK_MESSAGE(same_bits(x, y), at.text()); },
               a.second, b.second);
}

const auto classify = [](const auto& m) { return m(batch()); };
const Ids masked = Ids::of({3}, {1, 6, 11});
const auto guess = [](const auto& m) { return m(batch(), masked); };
const Ids words = Ids::of({3}, {4, 7, 0});

}  // namespace

TEST_CASE("bert: its parts have the names and shapes that they should") {
  const auto m = make_bert_classifier(tiny, 1);
  CHECK(std::string(m.bert.embeddings.words.weight.name()) == "bert.embeddings.words.weight");
  CHECK(std::string(m.bert.blocks[1].attention.query.weight.name()) == "bert.blocks.1.attention.query.weight");
  CHECK(std::string(m.bert.pooler->weight.name()) == "bert.pooler.weight");
  CHECK(double(count_parameters(m)) == tiny.parameters() + (64 + 8) + (24 + 3));
  CHECK(BertConfig{.vocabulary = 30522}.parameters() + 768 * 769 == 109482240);  // BERT base, as its authors count
  CHECK(make_bert(tiny, 1, false).pooler.has_value() == false);
  CHECK(m(batch()).shape() == Shape{4, 3});
  CHECK(vocabulary_of(m) == 11);
  CHECK(classes_of(m) == 3);
}

TEST_CASE("bert: initial values depend on the seed and are cut at two deviations") {
  const auto a = make_bert_classifier({.vocabulary = 500, .hidden = 16, .layers = 1, .heads = 2}, 1);
  CHECK(
      same_bits(a.classifier.weight,
                make_bert_classifier({.vocabulary = 500, .hidden = 16, .layers = 1, .heads = 2}, 1).classifier.weight));
  double squares = 0;
  for (auto w : a.bert.embeddings.words.weight.span()) {
    CHECK(std::abs(w) <= 0.04f);
    squares += double(w) * double(w);
  }
  CHECK(std::sqrt(squares / 8000) == doctest::Approx(0.0176).epsilon(0.03));  // 0.88 · 0.02
  CHECK(a.bert.blocks[0].output_norm.weight(3) == 1);
  CHECK(a.bert.blocks[0].output.bias(3) == 0);
}

TEST_CASE("bert: embeddings are the sum of three, normalised; without types all are of type 0") {
  const auto m = make_bert<double>(tiny, 1);
  const auto& e = m.embeddings;
  const auto sum = add(add(embedding(batch().ids, e.words.weight), embedding(batch().types, e.types.weight)),
                       embedding(Ids::of({12}, {0, 1, 2, 0, 0, 1, 2, 3, 4, 5, 0, 1}), e.positions.weight));
  CHECK(distance(e(m.embedded(batch())).rows, e.norm(sum)) < 1e-14);
  const Batch untyped = pack(texts), zeros = pack(texts, {}, {{0, 0, 0}, {0}, {0, 0, 0, 0, 0, 0}, {0, 0}});
  CHECK(same_bits(m(untyped).rows, m(zeros).rows));
  CHECK(distance(m(untyped).rows, m(batch()).rows) > 0.01);
}

TEST_CASE("bert: of a classifier the last layer's first rows are those of the whole layer") {
  const auto m = make_bert<double>(tiny, 1);
  const auto all = m(batch());
  const auto first = first_rows(all.offsets, 12);
  CHECK(distance(m.hidden(m.embedded(batch()), first), embedding(first, all.rows)) < 1e-14);
  CHECK(distance(m.pooled(m.embedded(batch())), tanh((*m.pooler)(embedding(first, all.rows)))) < 1e-14);
}

TEST_CASE("bert: a text's logits do not depend on its neighbours in the batch") {
  const BertConfig config{
      .vocabulary = 300, .hidden = 96, .layers = 2, .heads = 3, .intermediate = 160, .positions = 70};
  const auto m = make_bert_classifier(config, 3);
  const auto lm = make_bert_masked_lm(config, 3);
  const auto sentence = make_bert_sentence(config, 3);
  Texts some;
  for (auto length : drawn_lengths(9, 70, 2)) {
    const auto ids = drawn_ids(length, 300, 100 + std::uint32_t(some.size()));
    some.emplace_back(ids.span().begin(), ids.span().end());
  }
  for (int threads : {1, 2}) {
    set_threads(threads);
    const Batch all = pack(some);
    const auto together = m(all), vectors = sentence(all);
    const auto rows = lm(all, first_rows(all.offsets, all.tokens()));
    for (std::size_t b = 0; b < some.size(); ++b) {
      const Batch one = pack({some[b]});
      const auto at = std::int64_t(b);
      CHECK(distance(m(one), slice(together, 0, at, at + 1)) <= 1e-5);
      CHECK(distance(sentence(one), slice(vectors, 0, at, at + 1)) <= 1e-5);
      CHECK(distance(lm(one, Ids::of({1}, {0})), slice(rows, 0, at, at + 1)) <= 1e-5);
    }
  }
  set_threads(1);
}

TEST_CASE("bert: classifier and masked language model pass gradcheck, with and without dropout") {
  for (double dropout : {0.0, 0.2}) {
    BertConfig config = tiny;
    config.dropout = config.attention_dropout = config.classifier_dropout = dropout;
    GradcheckOptions options;
    options.random_changes_value = dropout > 0;
    options.most = 24;
    options.floor = 1e-2;  // the gradient of the key's bias is zero; differences of the loss are good to 1e-9
    const auto of_classes = gradcheck(
        make_bert_classifier<double>(config, 1),
        [&](const auto& m) { return cross_entropy(m(batch()), batch().labels); }, options);
    CHECK_MESSAGE(of_classes.ok(), of_classes.text());
    CHECK(of_classes.parameters.size() == 5 + 2 * 16 + 4);
    const auto of_words = gradcheck(
        make_bert_masked_lm<double>(config, 1), [&](const auto& m) { return cross_entropy(guess(m), words); }, options);
    CHECK_MESSAGE(of_words.ok(), of_words.text());
    CHECK(of_words.parameters.size() == 5 + 2 * 16 + 5);
  }
}

TEST_CASE("bert: sentence embeddings pass gradcheck before they are normalised, and have length 1 after it") {
  BertConfig config = tiny;
  config.dropout = config.attention_dropout = 0;
  const auto m = make_bert_sentence<double>(config, 1);
  GradcheckOptions options;
  options.most = 12, options.floor = 1e-2;
  const auto report = gradcheck(
      m, [](const auto& s) { return info_nce(s.mean(batch()), s.mean(pack(texts))); }, options);
  CHECK_MESSAGE(report.ok(), report.text());
  const auto y = m(batch());
  const auto mean = mean_over_time(m.bert(batch()));
  for (std::int64_t b = 0; b < 4; ++b) {
    double squares = 0, along = 0, size = 0;
    for (std::int64_t c = 0; c < 8; ++c)
      squares += y(b, c) * y(b, c), along += y(b, c) * mean(b, c), size += mean(b, c) * mean(b, c);
    CHECK(squares == doctest::Approx(1));
    CHECK(along == doctest::Approx(std::sqrt(size)));
  }
}

TEST_CASE("bert: recomputed blocks give the same bits, as do more threads") {
  auto classifier = make_bert_classifier(tiny, 1);
  auto lm = make_bert_masked_lm(tiny, 1);
  set_threads(1);
  const auto kept = pass(classifier, classify, batch().labels);
  const auto kept_words = pass(lm, guess, words);
  classifier.bert.recompute = lm.bert.recompute = true;
  for (int threads : {1, 2, 5}) {
    set_threads(threads);
    expect_same_bits(kept, pass(classifier, classify, batch().labels));
    expect_same_bits(kept_words, pass(lm, guess, words));
  }
  set_threads(1);
}

TEST_CASE("bert: the classifier learns its texts by heart, its layers at rates of their own") {
  BertConfig config = tiny;
  config.dropout = config.attention_dropout = config.classifier_dropout = 0;
  auto model = make_bert_classifier(config, 1);
  auto grads = zeros_like(model);
  const auto rule = layerwise_decay(2, 0.9);
  Adam adam(model, {.rate = 5e-3, .weight_decay = 0.01, .decoupled = true}, rule);
  double first = 0, last = 0;
  for (std::uint32_t step = 0; step < 60; ++step) {
    Tape tape(Random(1, Purpose::dropout, step));
    const auto loss = cross_entropy(tape.watch(model, grads, rule)(batch()), batch().labels);
    tape.backward(loss);
    adam.step(model, grads, rule);
    (step == 0 ? first : last) = double(loss.item());
  }
  CHECK(first > 0.7);
  CHECK(last < 0.1);
}

TEST_CASE("bert: in bf16 the logits are near, and a step changes the float weights") {
  auto model = make_bert_classifier({.vocabulary = 50, .hidden = 64, .layers = 2, .heads = 2, .intermediate = 64}, 1);
  MixedPrecision mixed(model);
  auto grads = zeros_like(model);
  const Batch b = batch();
  CHECK(distance(quern::detail::converted<float>(mixed.working()(b)), model(b)) < 0.02);
  Adam adam(model, {.rate = 1e-3});
  const auto before = model;
  Tape tape;
  tape.backward(cross_entropy(tape.watch(mixed.working(), mixed.gradients())(b), Ids::of({4}, {0, 1, 1, 0})));
  mixed.step(adam, model, grads);
  CHECK(distance(before.bert.blocks[0].output.weight, model.bert.blocks[0].output.weight) > 1e-4);
}

TEST_CASE("bert refuses sizes that make no model, texts that are too long, and a pooler that is not there") {
  auto message = [](auto&& f) { return message_of<InvalidArgument>(f); };
  expect_message(message([] { (void)make_bert({}, 1); }), {"bert: vocabulary 0", "at least 1"});
  expect_message(message([] { (void)make_bert({.vocabulary = 9, .hidden = 10, .heads = 3}, 1); }),
                 {"bert: hidden 10", "multiple of heads, 3"});
  const auto m = make_bert(tiny, 1, false);
  expect_message(message([&] {
                   (void)m(pack({{1}, {1, 2, 3, 4, 5, 6, 7}}));
                 }),
                 {"bert: text 1 has 7 tokens", "6 positions"});
  expect_message(message([&] { (void)m.pooled(m.embedded(batch())); }), {"bert: this encoder has no pooler"});
  expect_message(message([&] {
                   (void)m(pack({{1, 11}}));
                 }),
                 {"embedding: id 11", "weight (embeddings.words.weight) is [11, 8]"});
  expect_message(message([&] {
                   (void)m(pack({{1, 2}}, {}, {{0, 2}}));
                 }),
                 {"embedding: id 2 at position 1", "embeddings.types.weight"});
}
