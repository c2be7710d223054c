/// A step that broke is found, kept in a file, and breaks again when it is run from there.
#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>
#include <limits>

#include <quern/models/text_cnn.hpp>
#include <quern/train/failed_step.hpp>

#include "support/expect_invalid.hpp"

using namespace test;

namespace {

TextCnn<float> model_with(std::uint64_t seed) {
  return make_text_cnn({.vocabulary = 9, .classes = 2, .embedding = 3, .filters = 2, .widths = {1, 2}}, seed);
}

const Batch batch = pack({{1, 2, 3}, {4, 5}}, {0, 1});
const StepRecipe recipe{.step = 4, .seed = 9, .label_smoothing = 0.1, .class_weights = {1, 2}};
const auto frozen_words = [](const std::string& name) { return ParameterOptions{.train = name != "words.weight"}; };

struct TemporaryFile {
  std::string path = (std::filesystem::temp_directory_path() / "quern_failed_step_XXXXXX").string();
  TemporaryFile() { ::close(mkstemp(path.data())); }
  ~TemporaryFile() { std::remove(path.c_str()); }
};

}  // namespace

TEST_CASE("a step that is sound is found to be so, and leaves no file") {
  CHECK(find_failure(model_with(1), batch, recipe, "/nowhere/file").empty());
}

TEST_CASE("a broken step of pairs keeps the types of their tokens") {
  auto model = model_with(1);
  model.words.weight.fill(2), model.windows[1].weight.fill(3e38f);
  const TemporaryFile file;
  (void)find_failure(model, pack({{1, 2, 3}, {4, 5}}, {0, 1}, {{0, 0, 1}, {0, 1}}), recipe, file.path);
  Ids types(5);
  SafetensorsFile(file.path).read("batch.types", types);
  CHECK(same_bits(types, Ids::of({5}, {0, 0, 1, 0, 1})));
  CHECK_THROWS_AS(rerun_failed_step(file.path, model), FiniteCheck::Failure);
}

TEST_CASE("a broken step is run again from its file, with its dropout, settings and frozen weights") {
  auto model = model_with(1);
  model.words.weight.fill(2), model.windows[1].weight.fill(3e38f);
  const TemporaryFile file;
  const std::string found = find_failure(model, batch, recipe, file.path, frozen_words);
  expect_message(found, {"conv1d_relu_max_over_time 2 (windows.1), forward: its result [2, 2] has ",
                         file.path + " holds the step"});
  auto other = model_with(2);
  other.dropout = 0, other.word_dropout = 0.9;
  const std::string again = message_of<FiniteCheck::Failure>([&] { rerun_failed_step(file.path, other); });
  CHECK(found.starts_with(again));
  CHECK(other.dropout == 0.5);
  CHECK(other.word_dropout == 0);
  CHECK(same_bits(other.words.weight, model.words.weight));

  const SafetensorsFile kept(file.path);
  Tensor<float, 2> input(5, 3);
  kept.read("op.input.0", input);
  CHECK(same_bits(input, model.words(batch.ids)));
  const auto step = parse_json(kept.note("step"), file.path);
  CHECK(step["op"] == "conv1d_relu_max_over_time");
  CHECK(step["layer"] == "windows.1");
  CHECK(step["pass"] == "forward");
  CHECK(step["step"] == 4);
  CHECK(step["seed"] == 9);
  CHECK(step["frozen"] == nlohmann::json{"words.weight"});
}

TEST_CASE("a step that breaks in backward keeps the gradient that went into the op") {
  auto model = model_with(1);
  for (auto& window : model.windows) window.weight.fill(0), window.bias.fill(1e-38f);
  for (int i = 0; i < 4; ++i) model.out.weight(0, i) = 3e38f, model.out.weight(1, i) = -3e38f;
  const TemporaryFile file;
  expect_message(find_failure(model, batch, recipe, file.path), {"backward: the gradient of "});
  auto other = model_with(2);
  CHECK_THROWS_AS(rerun_failed_step(file.path, other), FiniteCheck::Failure);
  CHECK(SafetensorsFile(file.path).tensors().contains("op.gradient"));
}

TEST_CASE("a weight that was broken before the step is named, and no file is written") {
  auto model = model_with(1);
  model.out.bias(1) = std::numeric_limits<float>::quiet_NaN();
  const std::string found = find_failure(model, batch, recipe, "/nowhere/file");
  CHECK(found == "out.bias: 1 of 2 elements not finite, the first is element 1 (nan) before the pass");
}

TEST_CASE("a file that is none of these is refused") {
  const TemporaryFile file;
  save_safetensors(model_with(1), file.path);
  auto model = model_with(2);
  expect_message(message_of<Error>([&] { rerun_failed_step(file.path, model); }), {file.path, "has no note 'step'"});
}
