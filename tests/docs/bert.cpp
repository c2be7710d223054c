/// The code of docs/bert.md; see snippets.cpp.
#include <doctest/doctest.h>

#include <data/files.hpp>
#include <quern/io/hugging_face_tokenizer.hpp>

// snippet: bert-includes
#include <quern/io/hugging_face_save.hpp>  // folders of Hugging Face, in and out; needs nlohmann-json
#include <quern/quern.hpp>
#include <quern/train/trainer.hpp>  // needs nlohmann-json
using namespace quern;
// end

// snippet: bert-pretrain-includes
#include <quern/data/encode_blocks.hpp>  // all of these need utf8proc
#include <quern/data/encode_wordpiece.hpp>
#include <quern/text/wordpiece_trainer.hpp>
#include <quern/train/pretrain.hpp>  // and this one nlohmann-json
// end

TEST_CASE("docs/bert.md: in, fine-tuned and out") {
  const TemporaryFolder temporary;
  const std::string folder = QUERN_SOURCE_DIR "/tests/goldens/bert_classifier", out = temporary / "out";
  const Batch batch = pack({{1, 7, 9, 2}, {1, 5, 2, 8, 2}}, {0, 1}, {{0, 0, 0, 0}, {0, 0, 0, 1, 1}});
  constexpr std::uint64_t seed = 1;
  {
    // snippet: bert-load
    const auto bert = load_bert_classifier(folder);              // .model, .config
    const Tensor<float, 2> logits = bert.model(batch);           // [texts, classes]
    const std::vector<std::string>& names = bert.config.labels;  // of the classes, in the order of the logits
    // end
    CHECK(logits.extent(1) == std::int64_t(names.size()));
  }
  // snippet: bert-new
  auto bert = load_bert_classifier(folder, {.new_classifier = {"bad", "good"}, .seed = seed});
  for (const std::string& name : bert.initialised) std::puts(name.c_str());  // classifier.weight, classifier.bias
  // end
  CHECK(bert.initialised.size() == 2);
  Encoded texts;
  for (std::int32_t i = 0; i < 8; ++i) {
    for (std::int32_t id : {1, 3 + i, 4 + i % 2, 2}) texts.ids.push_back(id);
    texts.offsets.push_back(std::int64_t(texts.ids.size()));
    texts.labels.push_back(i % 2);
  }
  const Split split{{0, 1, 2, 3, 4, 5}, {6, 7}};
  // snippet: bert-train
  const auto rule = layerwise_decay(bert.config.model.layers, 0.9);  // layers near the words learn more slowly
  const TrainOptions options{.epochs = 5, .batch = 32, .rate = 3e-5, .weight_decay = 0.01, .clip = 1, .warmup = 100};
  bert.model.bert.recompute = true;  // less memory: blocks are computed again in backward
  const TrainResult result = train(bert.model, texts, split, 2, options, {}, rule);
  save_bert(out, bert.model, bert.config);  // AutoModelForSequenceClassification.from_pretrained(out) opens it
  // end
  CHECK(result.history.size() >= 1);
  CHECK(same_bits(load_bert_classifier(out).model(batch), bert.model(batch)));
}

TEST_CASE("docs/bert.md: the other heads") {
  const std::string folder = QUERN_SOURCE_DIR "/tests/goldens/bert_masked_lm";
  const Batch batch = pack({{1, 7, 9, 2}, {1, 5, 2, 8, 2}});
  // snippet: bert-heads
  const auto words = load_bert_masked_lm(folder);
  const Ids masked = Ids::of({2}, {1, 6});                      // rows of the batch where [MASK] stands
  const Tensor<float, 2> guesses = words.model(batch, masked);  // [2, vocabulary]
  const auto sentence = load_bert_sentence(folder);
  const Tensor<float, 2> vectors = sentence.model(batch);     // [texts, hidden], each of length 1
  const Packed<float> rows = load_bert(folder).model(batch);  // the last layer's rows of all tokens
  // end
  CHECK(guesses.shape() == Shape{2, 50});
  CHECK(vectors.shape() == Shape{2, 32});
  CHECK(rows.rows.shape() == Shape{9, 32});
}

TEST_CASE("docs/bert.md: a transformer from nothing") {
  constexpr std::uint64_t seed = 1;
  const Batch batch = pack({{1, 7, 9, 2}, {1, 5, 2, 8, 2}});
  // snippet: bert-transformer
  auto model = make_transformer_classifier({.vocabulary = 20000, .classes = 2}, seed);
  const Tensor<float, 2> logits = model(batch);  // [texts, classes]
  // end
  CHECK(logits.shape() == Shape{2, 2});
}

TEST_CASE("docs/bert.md: from texts without labels") {
  constexpr std::uint64_t seed = 1;
  const TemporaryFolder temporary;
  const std::string folder = temporary / "encoder";
  const std::vector<std::string> texts = {"a film that I liked", "a film that you liked", "nothing in it is good"};
  // snippet: bert-pretrain
  const WordPiece wordpiece(train_wordpiece(count_bert_words(texts), {.size = 8000}));
  BertConfig config{.vocabulary = wordpiece.size(), .hidden = 256, .layers = 4, .heads = 4, .intermediate = 1024};
  auto model = make_bert_masked_lm(config, seed);
  const Encoded blocks = encode_blocks(texts, wordpiece, 512);  // longer texts become several
  guess_by_frequency(model, blocks.ids);                        // what is known without context
  const MaskedLanguageModel guess(Masking(wordpiece, {.rate = 0.15, .whole_words = true}));
  const PretrainResult result = pretrain(model, guess, blocks, {.epochs = 3, .batch = 32, .rate = 5e-4});
  save_bert(folder, model, {config, {}});  // config.json and model.safetensors
  wordpiece.save_vocab(folder + "/vocab.txt");
  BertSentence<float> sentence{std::move(model.bert)};  // and on to sentence vectors
  pretrain(sentence, Contrast(0.05), encode(texts, wordpiece, {}, 128), {.batch = 64, .rate = 3e-5, .held = 0});
  // end
  CHECK(result.history.size() == 3);
  CHECK(load_wordpiece(folder).size() == load_bert_masked_lm(folder).config.model.vocabulary);
}
