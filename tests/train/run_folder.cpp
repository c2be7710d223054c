#include <doctest/doctest.h>

#include <data/files.hpp>
#include <quern/train/report.hpp>
#include <quern/train/run_folder.hpp>
#include <thread>
#include <train/toy.hpp>

using namespace quern;

namespace {

const std::vector<std::string> learned = {"good film", "bad film", "a very good good film", "bad bad", "film"};
const nlohmann::ordered_json config = {{"model", "text_cnn"}, {"tokenizer", "words"}, {"embedding", 4},
                                       {"filters", 3},        {"widths", {1, 2}},     {"dropout", 0.5},
                                       {"word_dropout", 0},   {"max_tokens", 3}};

Predictor predictor() {
  auto vocabulary = Vocabulary::of(learned, Tokenizer::words());
  auto model =
      make_text_cnn({.vocabulary = vocabulary.size(), .classes = 2, .embedding = 4, .filters = 3, .widths = {1, 2}}, 5);
  return {Tokenizer::words(), std::move(vocabulary), {"bad", "good thing"}, std::move(model), 3};
}

/// A folder as a training leaves it.
RunFolder saved(const TemporaryFolder& folder) {
  save_run(RunFolder{folder.path}, predictor(), config, {});
  return {folder.path};
}

}  // namespace

TEST_CASE("predictor: the probabilities are those of the model on the encoded text") {
  const Predictor p = predictor();
  const auto all = p.predict(learned);
  CHECK(all.shape() == Shape<2>{5, 2});
  for (std::size_t i = 0; i < learned.size(); ++i) {
    const auto alone = p.predict(learned[i]);
    const auto ids = p.encoded(std::span(&learned[i], 1));
    const TextCnn<float>* model = model_in<TextCnn>(p.model());
    REQUIRE(model != nullptr);
    const auto by_hand = softmax((*model)(pack({ids.ids})));
    CHECK(same_bits(alone, by_hand));
    CHECK(all(i, 0) == doctest::Approx(alone(0, 0)));
    CHECK(all(i, 0) + all(i, 1) == doctest::Approx(1));
  }
  CHECK(p.predict("good film bad").data()[0] == p.predict("good film bad good")(0, 0));  // cut to three tokens
  CHECK(p.predict("good film bad").data()[0] != p.predict("good film")(0, 0));
  CHECK(p.predict("").extent(0) == 1);  // no tokens: <unk>
  CHECK(p.predict(std::span<const std::string>()).extent(0) == 0);
}

TEST_CASE("predictor: long and many texts go through in batches with the same result") {
  std::vector<std::string> many;
  for (int i = 0; i < 300; ++i) many.push_back(learned[std::size_t(i) % 5]);
  auto vocabulary = Vocabulary::of(learned, Tokenizer::words());
  auto model = make_text_cnn({.vocabulary = vocabulary.size(), .classes = 2, .embedding = 4, .filters = 3}, 5);
  std::string longest = "good";
  for (int i = 0; i < 9000; ++i) longest += i % 7 ? " film" : " bad";
  many[150] = longest;
  const Predictor p(Tokenizer::words(), vocabulary, {"a", "b"}, model);
  const auto all = p.predict(many);
  for (const std::size_t i : {0u, 127u, 128u, 149u, 150u, 151u, 299u})
    CHECK(all(i, 1) == doctest::Approx(p.predict(many[i])(0, 1)));
  CHECK(all(150, 1) != all(151, 1));
}

TEST_CASE("predictor: several threads at a time") {
  const Predictor p = predictor();
  const auto expected = p.predict(learned);
  std::vector<std::thread> workers;
  std::atomic<int> equal = 0;
  for (int t = 0; t < 4; ++t)
    workers.emplace_back([&] {
      for (int i = 0; i < 20; ++i) equal += same_bits(p.predict(learned), expected);
    });
  for (auto& w : workers) w.join();
  CHECK(equal == 80);
}

TEST_CASE("run folder: what is saved predicts the same when loaded") {
  const TemporaryFolder folder;
  saved(folder);
  const Predictor before = predictor(), after = load_run(folder.path);
  CHECK(same_bits(before.predict(learned), after.predict(learned)));
  CHECK(after.classes() == before.classes());
  CHECK(after.predict("good film bad").data()[0] == after.predict("good film bad good")(0, 0));
  CHECK(list_folder(folder.path) ==
        std::vector<std::string>{"config.json", "labels.txt", "model.safetensors", "split.json", "vocabulary.txt"});
  RunFolder{folder.path}.clear();
  CHECK(list_folder(folder.path).empty());
}

TEST_CASE("run folder: every way to be broken is an error that names the file") {
  const auto error_after = [](auto damage) {
    const TemporaryFolder folder;
    damage(saved(folder));
    return error_of([&] { load_run(folder.path); });
  };
  const auto with = [&](const char* key, const nlohmann::json& value) {
    return error_after([&](const RunFolder& f) {
      auto changed = config;
      changed[key] = value;
      write_json(f.config(), changed);
    });
  };
  CHECK(error_after([](const RunFolder&) {}) == "nothing was thrown");
  CHECK(holds(error_of([] { load_run("/no/such/folder"); }), "/no/such/folder: is no folder"));
  CHECK(holds(error_after([](const RunFolder& f) { f.clear(); }), "holds no model.safetensors"));
  CHECK(holds(error_after([](const RunFolder& f) {
                ::unlink(f.model().c_str());
                atomic_write(f.checkpoint(), "x");
              }),
              "--resume"));
  CHECK(holds(error_after([](const RunFolder& f) { atomic_write(f.vocabulary(), "<unk>\ngood\n"); }),
              "model.safetensors: holds ", "with 2 tokens"));
  CHECK(holds(error_after([](const RunFolder& f) { atomic_write(f.labels(), "bad\ngood"); }),
              "labels.txt: is truncated"));
  CHECK(holds(error_after([](const RunFolder& f) { atomic_write(f.labels(), "bad\n\xff\n"); }), "labels.txt:2"));
  CHECK(holds(error_after([](const RunFolder& f) { atomic_write(f.labels(), "good thing\nbad\n"); }),
              "labels.txt: is not the file that ", "model.safetensors was trained with"));
  CHECK(holds(error_after([](const RunFolder& f) {
                auto words = read_file(f.vocabulary());
                words[words.size() - 2] ^= 1;
                atomic_write(f.vocabulary(), words);
              }),
              "vocabulary.txt: is not the file that "));
  CHECK(error_after([](const RunFolder& f) {  // weights of another program, without notes
          save_safetensors(*model_in<TextCnn>(predictor().model()), f.model());
          atomic_write(f.labels(), "good thing\nbad\n");
        }) == "nothing was thrown");
  CHECK(holds(error_after([](const RunFolder& f) { atomic_write(f.config(), "{"); }), "config.json: not valid JSON"));
  CHECK(holds(with("embedding", 1000000), "but the model of", "config.json"));
  CHECK(holds(with("embedding", -1), "config.json: 'embedding' is -1, expected 1 to 1048576"));
  CHECK(holds(with("widths", {1}), "model.safetensors: holds"));
  CHECK(holds(with("widths", {2, 1}), "windows.0.weight: expected F32 [3, 4, 2], got F32 [3, 4, 1]"));
  CHECK(holds(with("widths", "3"), "'widths' is \"3\""));
  CHECK(holds(with("widths", nlohmann::json::array()), "config.json: 'widths' is empty"));
  CHECK(holds(with("model", "perceptron"), "config.json: model 'perceptron' is not known; expected text_cnn"));
  CHECK(holds(with("tokenizer", "bpe"), "config.json: tokenizer 'bpe' is not known"));
  CHECK(holds(with("dropout", 1), "config.json: 'dropout' is 1, expected a number from 0"));
  CHECK(holds(with("word_dropout", -0.1), "config.json: 'word_dropout' is -0.1"));
  CHECK(holds(with("max_tokens", -1), "config.json: 'max_tokens' is -1, expected at least 0"));
}

TEST_CASE("run folder: the split is kept as lines of each class") {
  Dataset data{{"a", "b", "c", "d"}, {1, 0, 1, 1}, {"neg", "pos"}, {2, 3, 5, 8}, "x.csv"};
  const auto json = split_json(data, {{0, 1, 3}, {2}});
  CHECK(json.dump() == R"({"source":"x.csv","train":{"neg":[3],"pos":[2,8]},"dev":{"neg":[],"pos":[5]}})");
  CHECK(holds(error_of([] { check_class_names({"a", "b\nc"}, "x.csv"); }), "x.csv: the class name 'b\nc'"));
}

TEST_CASE("report: metrics go to JSON and back") {
  MetricsCounter counter(2);
  const auto p = Tensor<float, 2>::of({3, 2}, {0.75f, 0.25f, 0.5f, 0.5f, 0.25f, 0.75f});
  counter.add<float>(std::vector<std::int32_t>{0, 1, 1}, p);
  const Metrics m = counter.result();
  const auto json = report_of(m, {"neg", "pos"});
  CHECK(json["accuracy"].get<double>() == m.accuracy);
  CHECK(json["per_class"][1]["label"] == "pos");
  CHECK(json["per_class"][1]["recall"].get<double>() == 0.5);
  CHECK(json["per_class"][0]["predicted"] == 2);
  CHECK(json["confusion"].dump() == "[[1,0],[1,1]]");
  const Metrics back = metrics_of(parse_json(json.dump(), "x"), "x");
  CHECK(report_of(back, {"neg", "pos"}) == json);

  TrainResult r;
  r.history = {{0.5, 0.4, 0.9, 0.8, 1.5}}, r.kept_epoch = 0, r.dev = m;
  const auto report = report_of(r, {"neg", "pos"});
  CHECK(report["kept_epoch"] == 1);
  CHECK(report["history"][0]["dev_macro_f1"].get<double>() == 0.8);
  r.dev = {};
  CHECK(report_of(r, {"neg", "pos"})["accuracy"].is_null());
  CHECK(!report_of(r, {"neg", "pos"})["history"][0].contains("dev_loss"));
}
