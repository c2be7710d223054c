/// Training without labels: what is learned, that resuming changes no bit, and that the gradients are right.
#include <unistd.h>

#include <quern/cpu/eigen.hpp>
#include <quern/train/pretrain.hpp>

#include <doctest/doctest.h>

#include <atomic>

#include <quern/autograd/gradcheck.hpp>

#include "data/files.hpp"
#include "train/toy.hpp"  // same_weights

using namespace quern;

namespace {

constexpr std::int64_t tokens = 25;

const WordPiece& wordpiece() {
  static const WordPiece w = [] {
    std::vector<std::string> all = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    for (std::int64_t i = 5; i < tokens; ++i) all.push_back("w" + std::to_string(i));
    return WordPiece(all);
  }();
  return w;
}

const BertConfig tiny{.vocabulary = tokens,
                      .hidden = 16,
                      .layers = 2,
                      .heads = 2,
                      .intermediate = 32,
                      .positions = 12,
                      .dropout = 0.1,
                      .attention_dropout = 0.1,
                      .initial_deviation = 0.1};

/// Texts of eight tokens that count up from a random one, so each can be told by its neighbours; text i + n begins
/// two later than text i: they are pairs.
Encoded counting_texts(std::int64_t n) {
  const Random random(3, Purpose::test);
  Encoded texts;
  for (std::int64_t side = 0; side < 2; ++side)
    for (std::int64_t i = 0; i < n; ++i) {
      texts.ids.push_back(wordpiece().cls_id());
      const auto first = std::int64_t(random.below(20, 0, std::uint64_t(i))) + 2 * side;
      for (std::int64_t k = 0; k < 8; ++k) texts.ids.push_back(std::int32_t(5 + (first + k) % 20));
      texts.ids.push_back(wordpiece().sep_id());
      texts.offsets.push_back(std::int64_t(texts.ids.size()));
    }
  return texts;
}

}  // namespace

TEST_CASE("pretrain: a masked language model learns to count") {
  const Encoded texts = counting_texts(200);
  auto model = make_bert_masked_lm(tiny, 1);
  const MaskedLanguageModel objective(Masking(wordpiece(), {.rate = 0.2}));
  const PretrainResult r =
      pretrain(model, objective, texts, {.epochs = 30, .batch = 16, .rate = 1e-2, .held = 0.1, .seed = 2});
  REQUIRE(r.history.size() == 30);
  CHECK(r.history.front().dev_loss > 1.5);  // ln 20 = 3.0 without any knowledge
  CHECK(r.history.back().dev_loss < 1.4);
  CHECK(r.history.back().dev_accuracy > 0.4);
  CHECK(r.tokens_per_second > 0);
  CHECK_FALSE(r.interrupted);
}

TEST_CASE("guess_by_frequency: without context, guesses are as frequent as the tokens") {
  auto model = make_bert_masked_lm(tiny, 1);
  const std::vector<std::int32_t> ids = {7, 7, 7, 9};
  guess_by_frequency(model, ids);
  double sum = 0;
  for (std::int64_t i = 0; i < tokens; ++i) sum += std::exp(double(model.bias(i)));
  CHECK(sum == doctest::Approx(1).epsilon(1e-6));
  CHECK(model.bias(7) == doctest::Approx(std::log(4.0 / 29)));
  CHECK(model.bias(9) == doctest::Approx(std::log(2.0 / 29)));
  CHECK(model.bias(0) == doctest::Approx(std::log(1.0 / 29)));
  CHECK_THROWS_WITH_AS(guess_by_frequency(model, std::vector<std::int32_t>{3, 25}),
                       doctest::Contains("guess_by_frequency: token 25, but the vocabulary has 25"), InvalidArgument);
  CHECK_THROWS_AS(guess_by_frequency(model, std::vector<std::int32_t>{-1}), InvalidArgument);
}

TEST_CASE("pretrain: in bf16, with weights kept in float") {
  const Encoded texts = counting_texts(100);
  auto model = make_bert_masked_lm(tiny, 1);
  const MaskedLanguageModel objective(Masking(wordpiece(), {.rate = 0.2}));
  const auto r = pretrain_in<bf16>(model, objective, texts, {.epochs = 20, .batch = 16, .rate = 1e-2, .held = 0.1});
  CHECK(r.history.back().dev_loss < r.history.front().dev_loss - 0.5);
}

TEST_CASE("pretrain: SimCSE finds the partner of a pair, and spreads sentences without pairs") {
  const Encoded texts = counting_texts(120);
  auto model = make_bert_sentence(tiny, 1);
  const auto r = pretrain(model, Contrast(0.1, 120), texts, {.epochs = 20, .batch = 12, .rate = 3e-3, .held = 0.1});
  CHECK(r.history.back().dev_loss < r.history.front().dev_loss - 0.3);
  CHECK(r.history.back().dev_accuracy > r.history.front().dev_accuracy);

  // Of sentences whose vectors are all alike, the loss of finding one of 12 is ln 12 = 2.5.
  auto alone = make_bert_sentence(tiny, 1);
  const auto a = pretrain(alone, Contrast(0.1), texts, {.epochs = 4, .batch = 12, .rate = 3e-3, .held = 0});
  CHECK(a.history.back().train_loss < a.history.front().train_loss);
  CHECK(a.history.back().dev_loss == 0);
}

TEST_CASE("pretrain: stopped and resumed, the same bits; another run's checkpoint is refused") {
  const TemporaryFolder folder;
  const Encoded texts = counting_texts(60);
  const MaskedLanguageModel objective(Masking{wordpiece()});
  const PretrainOptions options{.epochs = 2, .batch = 8, .rate = 3e-3, .held = 0.1};
  auto whole = make_bert_masked_lm(tiny, 1);
  pretrain(whole, objective, texts, options);

  auto model = make_bert_masked_lm(tiny, 1);
  TrainHooks hooks{.checkpoint = folder / "checkpoint.safetensors", .checkpoint_seconds = 0};
  std::atomic<bool> stop = false;
  hooks.stop = &stop;
  hooks.scalar = [&](const char*, double, std::int64_t step) { stop = step == 5; };
  hooks.scalar_steps = 1;
  CHECK(pretrain(model, objective, texts, options, hooks).interrupted);

  auto resumed = make_bert_masked_lm(tiny, 9);  // its weights come from the checkpoint
  stop = false;
  hooks.scalar = nullptr, hooks.resume = true;
  CHECK(pretrain(resumed, objective, texts, options, hooks).history.size() == 2);
  CHECK(same_weights(whole, resumed));
  CHECK_FALSE(same_weights(whole, model));
  auto others = options;
  others.rate = 1e-3;
  CHECK_THROWS_WITH_AS(pretrain(resumed, objective, texts, others, hooks),
                       doctest::Contains("lr: then 0.003, now 0.001"), Error);
}

TEST_CASE("pretrain: the gradients of both objectives") {  // floor: the true gradient of a key's bias is zero
  const Batch batch = pack({{2, 5, 4, 7, 3}, {2, 9, 3}});
  const MaskedBatch masked{{batch.ids, batch.offsets.share(), {}, {}},
                           Tensor<std::int32_t, 1>::of({2}, {2, 6}),
                           Tensor<std::int32_t, 1>::of({2}, {6, 10})};
  auto config = tiny;
  config.hidden = 4, config.intermediate = 6, config.layers = 1, config.initial_deviation = 0.5;
  config.dropout = config.attention_dropout = 0;
  const auto words = make_bert_masked_lm<double>(config, 1);
  const MaskedLanguageModel guess(Masking{wordpiece()});
  const auto of_words = gradcheck(words, [&](const auto& m) { return guess.loss(m, masked); }, {.floor = 1e-2});
  CHECK_MESSAGE(of_words.ok(), of_words.text());
  const auto sentence = make_bert_sentence<double>(config, 1);
  const Batch four = pack({{2, 5, 7, 3}, {2, 9, 3}, {2, 6, 3}, {2, 11, 12, 3}});
  const Contrast contrast(0.5, 2);
  const auto of_pairs = gradcheck(sentence, [&](const auto& m) { return contrast.loss(m, four); }, {.floor = 1e-2});
  CHECK_MESSAGE(of_pairs.ok(), of_pairs.text());
}

TEST_CASE("pretrain: bad input") {
  auto model = make_bert_masked_lm(tiny, 1);
  const MaskedLanguageModel objective(Masking{wordpiece()});
  const Encoded texts = counting_texts(5);
  CHECK_THROWS_AS(pretrain(model, objective, texts, {.epochs = 0}), InvalidArgument);
  CHECK_THROWS_AS(pretrain(model, objective, texts, {.held = 1}), InvalidArgument);
  CHECK_THROWS_AS(pretrain(model, objective, Encoded{}), InvalidArgument);
  CHECK_THROWS_WITH_AS(pretrain(model, objective, texts, {.epochs = 3, .rate = 1e30, .warmup = 0}),
                       doctest::Contains("a lower learning rate"), Error);
  auto sentence = make_bert_sentence(tiny, 1);
  CHECK_THROWS_WITH_AS(pretrain(sentence, Contrast(0.05, 4), texts), doctest::Contains("4 pairs, but 10 texts"),
                       InvalidArgument);
  CHECK_THROWS_AS(Contrast(0), InvalidArgument);
}
