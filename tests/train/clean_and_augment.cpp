/// What was done to texts before training on them is done again by whoever uses the model; copies made anew in every
/// epoch are the same after a resume.
#include <atomic>

#include <doctest/doctest.h>

#include <data/files.hpp>
#include <quern/data/augment.hpp>
#include <quern/text/clean.hpp>
#include <quern/train/run_folder.hpp>
#include <train/toy.hpp>

using namespace quern;

namespace {

const nlohmann::ordered_json config = {{"model", "text_cnn"}, {"tokenizer", "words"}, {"embedding", 4},
                                       {"filters", 3},        {"widths", {1, 2}},     {"dropout", 0.5},
                                       {"word_dropout", 0},   {"max_tokens", 0}};

Predictor predictor(const Cleaner& cleaner) {
  auto vocabulary = Vocabulary::of(std::vector<std::string>{"good film", "bad film"}, Tokenizer::words());
  auto model =
      make_text_cnn({.vocabulary = vocabulary.size(), .classes = 2, .embedding = 4, .filters = 3, .widths = {1, 2}}, 5);
  return {Tokenizer::words(), std::move(vocabulary), {"bad", "good"}, std::move(model), 0, cleaner};
}

}  // namespace

TEST_CASE("a run whose texts were cleaned cleans what it is asked") {
  const TemporaryFolder folder;
  save_run(RunFolder{folder.path}, predictor({clean_named("html,space"), clean}), config, {});
  CHECK(read_json(folder / "config.json")["clean"] == "html,space");
  const Predictor loaded = load_run(folder.path, clean);
  CHECK(names_of(loaded.cleaner().options) == "html,space");
  CHECK(same_bits(loaded.predict("good<br />f&#105;lm"), loaded.predict("good film")));
  const std::vector<std::string> texts = {"good <b>film</b>"};
  CHECK(loaded.encoded(texts).ids == loaded.encoded(std::vector<std::string>{"good film"}).ids);
  CHECK(holds(error_of([&] { load_run(folder.path); }), "config.json: its texts are cleaned (html,space)",
              "load_run(path, clean)"));
  CHECK(holds(error_of<InvalidArgument>([] { predictor({clean_named("html"), nullptr}); }), "no function is given"));
  auto settings = read_json(folder / "config.json");
  settings["clean"] = "htm";
  write_json(folder / "config.json", settings);
  CHECK(holds(error_of([&] { load_run(folder.path, clean); }), "config.json: clean: 'htm' is not known"));
  settings.erase("clean");  // as runs of before there was cleaning
  write_json(folder / "config.json", settings);
  CHECK(!load_run(folder.path).cleaner().cleans());
}

TEST_CASE("texts made anew in every epoch change the training; a resumed one makes the same") {
  const auto texts = toy_texts();
  const Split split{toy_split(texts).train, {}};  // nothing held out: the last weights count
  const TemporaryFolder folder;
  std::atomic<bool> stop = false;
  std::int64_t stop_in = -1;  // the epoch in which to ask for a stop
  std::vector<std::int64_t> epochs;
  const auto trained = [&](bool augmented, bool kept) {
    auto model = toy_model();
    TrainHooks hooks{.stop = &stop};
    if (kept) hooks.checkpoint = folder / "checkpoint.safetensors", hooks.resume = true;
    if (augmented)
      hooks.texts_of_epoch = [&](std::int64_t epoch) {
        epochs.push_back(std::int64_t(epoch));
        stop = epoch == stop_in;
        return augment(texts, split.train, {.copies = 2, .rate = 0.2}, {}, 1, std::uint32_t(epoch));
      };
    train(model, texts, split, 2, toy_options(), hooks);
    return model;
  };
  const auto plain = trained(false, false), whole = trained(true, false);
  CHECK(!same_weights(plain, whole));
  CHECK(epochs == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5});
  stop_in = 3;
  const auto half = trained(true, true);
  CHECK(!same_weights(half, whole));
  stop = false, stop_in = -1;
  epochs.clear();
  CHECK(same_weights(trained(true, true), whole));
  CHECK(epochs == std::vector<std::int64_t>{3, 4, 5});
}
