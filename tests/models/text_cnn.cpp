#include <quern/cpu/eigen.hpp>
#include <quern/models/text_cnn.hpp>

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include <quern/autograd/gradcheck.hpp>
#include <quern/loss/cross_entropy.hpp>
#include <quern/ops/softmax.hpp>
#include <quern/optim/adam.hpp>
#include <quern/optim/clip.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"

using namespace test;
using Texts = std::vector<std::vector<std::int32_t>>;

namespace {

const TextCnnConfig tiny{.vocabulary = 20, .classes = 3, .embedding = 5, .filters = 4, .widths = {1, 2, 4}};

/// Texts of ids below `vocabulary`, of lengths 1 to `longest`.
Texts drawn_texts(std::size_t n, std::int64_t longest, std::int64_t vocabulary, std::uint32_t stream) {
  Texts texts;
  for (auto length : drawn_lengths(n, longest, stream)) {
    const auto ids = drawn_ids(length, vocabulary, stream + 1000 + std::uint32_t(texts.size()));
    texts.emplace_back(ids.span().begin(), ids.span().end());
  }
  return texts;
}

Batch labelled(const Texts& texts, std::int64_t classes) {
  const auto labels = drawn_ids(std::int64_t(texts.size()), classes, 77);
  return pack(texts, {labels.span().begin(), labels.span().end()});
}

/// The same model from its parts: three ops where the model has one.
auto composed(const auto& m, const Batch& batch) {
  const auto e = m.words(batch);
  return m.out(concat(m.windows, [&](const auto& w) { return max_over_time(relu(w(e))); }));
}

/// One step of training; gives the loss.
template <class T>
double train(TextCnn<T>& model, TextCnn<T>& grads, Adam<TextCnn<T>>& adam, const Batch& batch, std::uint32_t step) {
  Tape tape(Random(5, Purpose::dropout, step));
  const auto loss = cross_entropy(tape.watch(model, grads)(batch), batch.labels);
  tape.backward(loss);
  clip_global_norm(grads, 5);
  adam.step(model, grads);
  return double(loss.item());
}

/// Row `b` of the logits of all texts is that of text `texts[b]` alone.
void expect_batch_invariant(const TextCnnConfig& config, const Texts& texts) {
  const auto model = make_text_cnn(config, 3);
  const auto together = model(pack(texts));
  std::vector<std::size_t> order(texts.size());
  for (std::size_t b = 0; b < order.size(); ++b) order[b] = b;
  Random(9, Purpose::order).shuffle(order);
  Texts shuffled;
  for (auto b : order) shuffled.push_back(texts[b]);
  const auto mixed = model(pack(shuffled));
  std::size_t differ = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto alone = model(pack({texts[order[i]]}));
    for (std::int64_t c = 0; c < config.classes; ++c) {
      const float expected = alone(0, c);
      differ += std::memcmp(&expected, &together(order[i], c), sizeof expected) != 0;
      differ += std::memcmp(&expected, &mixed(i, c), sizeof expected) != 0;
    }
  }
  CHECK(differ == 0);
}

#if defined(QUERN_ASAN) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
constexpr bool sanitized = __has_feature(thread_sanitizer);
#else
constexpr bool sanitized = false;
#endif

/// The memory this program has in RAM.
double resident_mb() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0;
  statm >> pages >> pages;
  return pages * double(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

}  // namespace

TEST_CASE("make_text_cnn builds what it is asked for, from the seed alone") {
  const auto model = make_text_cnn({.vocabulary = 1000, .classes = 2}, 1);
  CHECK(count_parameters(model) == 1000 * 300 + 3 * 100 + 300 * 100 * (3 + 4 + 5) + 300 * 2 + 2);
  CHECK(std::string(model.windows[2].weight.name()) == "windows.2.weight");
  CHECK(model.windows[2].weight.shape() == Shape{100, 300, 5});
  CHECK(model.dropout == 0.5);
  CHECK(same_bits(make_text_cnn(tiny, 1).words.weight, make_text_cnn(tiny, 1).words.weight));
  CHECK_FALSE(same_bits(make_text_cnn(tiny, 1).words.weight, make_text_cnn(tiny, 2).words.weight));
  CHECK(model(pack({{1, 2, 3}, {4}})).shape() == Shape{2, 2});
}

TEST_CASE("make_text_cnn refuses sizes that make no model") {
  auto message = [](const TextCnnConfig& c) { return message_of<InvalidArgument>([&] { make_text_cnn(c, 1); }); };
  expect_message(message({.classes = 2}), {"text_cnn: vocabulary 0"});
  expect_message(message({.vocabulary = 5}), {"text_cnn: ", "classes 0"});
  expect_message(message({.vocabulary = 5, .classes = 2, .embedding = -1}), {"embedding -1"});
  expect_message(message({.vocabulary = 5, .classes = 2, .filters = 0}), {"filters 0"});
  expect_message(message({.vocabulary = 5, .classes = 2, .widths = {}}), {"0 widths"});
  expect_message(message({.vocabulary = 5, .classes = 2, .widths = {3, 0}}), {"text_cnn: a window of width 0"});
}

TEST_CASE_TEMPLATE("the model's fused op gives the bits of conv1d, relu and max_over_time", T, float, double) {
  for (const auto& config : {tiny, TextCnnConfig{.vocabulary = 200, .classes = 2, .embedding = 60, .filters = 33}}) {
    const auto model = make_text_cnn<T>(config, 1);
    const auto batch = pack(drawn_texts(30, 25, config.vocabulary, 1));
    CHECK(same_bits(model(batch), composed(model, batch)));
  }
}

TEST_CASE("a text's logits are the same bits alone, in a batch, and in any order") {
  for (int threads : {1, 2}) {
    set_threads(threads);
    expect_batch_invariant(tiny, drawn_texts(40, 12, tiny.vocabulary, 1));
    expect_batch_invariant({.vocabulary = 300, .classes = 2}, drawn_texts(20, 64, 300, 2));
  }
}

TEST_CASE("the whole model passes gradcheck, with and without dropout") {
  const auto batch = labelled(drawn_texts(6, 7, tiny.vocabulary, 1), 3);
  auto model = make_text_cnn<double>(tiny, 1);
  for (double dropout : {0.0, 0.4}) {
    model.dropout = model.word_dropout = dropout;
    GradcheckOptions options;
    options.random_changes_value = dropout > 0;
    const auto report = gradcheck(
        model, [&](const auto& m) { return cross_entropy(m(batch), batch.labels); }, options);
    CHECK_MESSAGE(report.ok(), report.text());
    CHECK(report.parameters.size() == 9);
  }
}

TEST_CASE("the model learns eight sentences by heart") {
  const Texts sentences = {{1, 2, 3}, {1, 4, 3}, {5, 2, 3, 6}, {5, 4, 3, 6}, {7}, {8, 9, 7}, {2, 1}, {4, 1, 10, 11}};
  const Batch batch = pack(sentences, {0, 1, 0, 1, 2, 2, 1, 0});
  auto model = make_text_cnn(tiny, 1);
  auto grads = zeros_like(model);
  model.dropout = 0;
  Adam adam(model, {.rate = 0.02});
  const double before = train(model, grads, adam, batch, 0);
  double after = 0;
  for (std::uint32_t step = 1; step < 100; ++step) after = train(model, grads, adam, batch, step);
  CHECK(before > 0.9);
  CHECK(after < 0.05);
  const auto probabilities = softmax(model(batch));
  for (int b = 0; b < 8; ++b) CHECK(probabilities(b, batch.labels(b)) > 0.8f);
}

TEST_CASE("20 steps of training end with the same bytes for 1, 2 and 5 threads") {
  const TextCnnConfig config{.vocabulary = 900, .classes = 2, .embedding = 50, .filters = 24, .word_dropout = 0.1};
  TextCnn<float> first;
  for (int threads : {1, 2, 5}) {
    set_threads(threads);
    auto model = make_text_cnn(config, 1);
    auto grads = zeros_like(model);
    Adam adam(model, {.rate = 0.01, .weight_decay = 1e-3});
    for (std::uint32_t step = 0; step < 20; ++step)
      train(model, grads, adam, labelled(drawn_texts(30, 40, 900, step), 2), step);
    if (threads == 1) first = model;
    walk_tensors([](const Path& path, auto& a, auto& b) { CHECK_MESSAGE(same_bits(a, b), path.text()); }, model, first);
  }
  CHECK_FALSE(same_bits(first.words.weight, make_text_cnn(config, 1).words.weight));
}

TEST_CASE("once the longest batch was seen, training asks the system for no tensor memory") {
  set_threads(2);
  Pool::instance().trim();  // what other tests left does not help
  const TextCnnConfig config{.vocabulary = 500, .classes = 2, .embedding = 40, .filters = 16, .word_dropout = 0.1};
  auto model = make_text_cnn(config, 1);
  auto grads = zeros_like(model);
  Adam adam(model, {});
  train(model, grads, adam, labelled(Texts(32, std::vector<std::int32_t>(60, 7)), 2), 0);
  const auto before = pool_stats();
  for (std::uint32_t step = 1; step <= 200; ++step)
    train(model, grads, adam, labelled(drawn_texts(1 + step * 7 % 32, 1 + step * 11 % 60, 500, step), 2), step);
  const auto after = pool_stats();
  CHECK(after.requests > before.requests + 200 * 20);
  CHECK(after.system_allocations == before.system_allocations);
  CHECK(after.held_bytes == before.held_bytes);
}

TEST_CASE("memory stays flat over 10,000 steps") {
  set_threads(1);
  auto model = make_text_cnn(tiny, 1);
  auto grads = zeros_like(model);
  Adam adam(model, {});
  std::vector<Batch> batches;
  for (std::uint32_t b = 0; b < 16; ++b) batches.push_back(labelled(drawn_texts(1 + b, 9, tiny.vocabulary, b), 3));
  double warm = 0;
  std::size_t live = 0, held = 0;
  for (std::uint32_t step = 0; step < 10'000; ++step) {
    if (step == 1000) warm = resident_mb(), live = pool_stats().live_bytes, held = pool_stats().held_bytes;
    train(model, grads, adam, batches[step % 16], step);
  }
  CHECK(pool_stats().live_bytes == live);
  CHECK(pool_stats().held_bytes == held);
  CHECK(warm > 1);
  if (!sanitized) CHECK(resident_mb() - warm < 1);
}

TEST_CASE("four threads may ask one model at once") {
  set_threads(2);
  const auto model = make_text_cnn({.vocabulary = 300, .classes = 2, .embedding = 50, .filters = 20}, 1);
  std::vector<Batch> batches;
  std::vector<Tensor<float, 2>> expected;
  for (std::uint32_t b = 0; b < 4; ++b) {
    batches.push_back(pack(drawn_texts(10 + b, 30, 300, b)));
    expected.push_back(model(batches.back()));
  }
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 20; ++i) {
        const auto which = (t + i) % 4;
        wrong += !same_bits(model(batches[which]), expected[which]);
      }
    });
  for (auto& t : threads) t.join();
  CHECK(wrong == 0);
}
