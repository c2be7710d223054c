#include <quern/tensor/walk.hpp>

#include <doctest/doctest.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"

using namespace test;

namespace {

enum class Mode { plain, fancy };

template <class T>
struct Layer {
  Tensor<T, 2> weight;
  Tensor<T, 1> bias;
  static void visit(auto&& f, auto&... m) { f("weight", m.weight...), f("bias", m.bias...); }
};

template <class T>
struct Model {
  std::vector<Layer<T>> blocks;
  std::optional<Layer<T>> extra;
  std::array<Tensor<T, 1>, 2> pair;
  int heads = 0;
  Mode mode = Mode::plain;
  std::string label;
  static void visit(auto&& f, auto&... m) {
    f("blocks", m.blocks...), f("extra", m.extra...), f("pair", m.pair...);
    f("heads", m.heads...), f("mode", m.mode...), f("label", m.label...);
  }
};

Layer<float> layer(float value) {
  Layer<float> l{Tensor<float, 2>(2, 3), Tensor<float, 1>(2)};
  l.weight.fill(value), l.bias.fill(-value);
  return l;
}

Model<float> model() {
  return {{layer(1), layer(2)}, layer(3), {Tensor<float, 1>(4), Tensor<float, 1>(5)}, 8, Mode::fancy, "m"};
}

std::vector<std::string> names(const auto& m) {
  std::vector<std::string> out;
  walk([&](const Path& path, const auto&) { out.push_back(path.text()); }, m);
  return out;
}

}  // namespace

TEST_CASE("walk visits every tensor and setting once, in order, by its path") {
  CHECK(names(model()) == std::vector<std::string>{"blocks.0.weight", "blocks.0.bias", "blocks.1.weight",
                                                   "blocks.1.bias", "extra.weight", "extra.bias", "pair.0", "pair.1",
                                                   "heads", "mode", "label"});
  CHECK(names(Model<float>{}) == std::vector<std::string>{"pair.0", "pair.1", "heads", "mode", "label"});
  int tensors = 0;
  const auto m = model();
  walk_tensors([&](const Path&, const auto&) { ++tensors; }, m);
  CHECK(tensors == 8);
}

TEST_CASE("walk goes through several models in lock step, and may change them") {
  const auto a = model();
  auto b = model();
  walk(
      [](const Path&, const auto& x, auto& y) {
        if constexpr (is_tensor<std::remove_cvref_t<decltype(x)>>)
          for (std::int64_t i = 0; i < x.size(); ++i) y.data()[i] += x.data()[i];
        else
          y = x;
      },
      a, b);
  CHECK(b.blocks[1].weight(1, 2) == 4);
  CHECK(b.extra->bias(1) == -6);
}

TEST_CASE("an empty sequence or optional takes the first model's size; others must agree") {
  const auto a = model();
  Model<float> b;
  walk([](const Path&, const auto& x, auto& y) { y = x; }, a, b);
  CHECK(b.blocks.size() == 2);
  REQUIRE(b.extra.has_value());
  CHECK(b.extra->weight(0, 0) == 3);
  CHECK(b.label == "m");
  CHECK(b.mode == Mode::fancy);

  auto nothing = [](const Path&, const auto&, auto&) {};
  b.blocks.pop_back();
  expect_message(message_of<InvalidArgument>([&] { walk(nothing, a, b); }),
                 {"blocks: the models have different numbers of elements, 2 and 1"});
  const Model<float> c;
  expect_message(message_of<InvalidArgument>([&] { walk(nothing, a, c); }), {"blocks: ", "2 and 0"});
  auto without = model();
  without.extra.reset();
  const auto absent = without;
  expect_message(message_of<InvalidArgument>([&] { walk(nothing, a, absent); }),
                 {"extra: present in one model, absent in the other"});
  int seen = 0;
  walk([&](const Path&, const auto&, auto&) { ++seen; }, absent, without);
  CHECK(seen == 9);
}

TEST_CASE("name_parameters writes each path into its tensor, and copies keep it") {
  auto m = model();
  name_parameters(m);
  CHECK(std::string(m.blocks[1].bias.name()) == "blocks.1.bias");
  const auto copy = m;
  CHECK(std::string(copy.pair[1].name()) == "pair.1");
  name_parameters(m);
  m.extra->weight = m.blocks[0].weight.share();
  expect_message(message_of<InvalidArgument>([&] { name_parameters(m); }),
                 {"extra.weight: shares its memory with another parameter (blocks.0.weight)"});
}

TEST_CASE("count_parameters counts elements") { CHECK(count_parameters(model()) == 3 * 8 + 4 + 5); }

TEST_CASE("zeros_like gives named, row-sparse zeros, and the settings") {
  auto rule = [](const std::string& path) { return ParameterOptions{.train = path != "blocks.0.weight"}; };
  const auto zeros = zeros_like(model(), rule);
  CHECK(zeros.blocks[0].weight.size() == 0);
  CHECK_FALSE(bool(zeros.blocks[0].weight.storage()));
  CHECK(zeros.blocks[1].weight.shape() == Shape{2, 3});
  for (auto v : zeros.blocks[1].weight.span()) CHECK(v == 0);
  CHECK(std::string(zeros.blocks[1].weight.name()) == "blocks.1.weight");
  REQUIRE(bool(zeros.blocks[1].weight.storage()->touched));
  CHECK_FALSE(zeros.blocks[1].weight.storage()->touched->all);
  CHECK(zeros.heads == 8);
  CHECK(zeros.label == "m");
  CHECK(zeros_like(Model<float>{}).extra.has_value() == false);
}

TEST_CASE("cast converts every element, keeps names and settings, and is exact upwards") {
  auto m = model();
  name_parameters(m);
  m.blocks[0].weight(1, 2) = 0.1f;
  const auto wide = cast<double>(m);
  CHECK(wide.blocks[0].weight(1, 2) == double(0.1f));
  CHECK(wide.heads == 8);
  CHECK(wide.mode == Mode::fancy);
  CHECK(std::string(wide.extra->bias.name()) == "extra.bias");
  const auto back = cast<float>(wide);
  walk_tensors([](const Path& path, const auto& x, const auto& y) { CHECK_MESSAGE(same_bits(x, y), path.text()); }, m,
               back);
}

TEST_CASE("the rule is asked by path; without one everything is trained alike") {
  const Path root, blocks{&root, "blocks"}, second{&blocks, nullptr, 1}, bias{&second, "bias"};
  CHECK(bias.text() == "blocks.1.bias");
  CHECK(root.text().empty());
  CHECK(text_of(bias) == "blocks.1.bias");
  const auto options = options_of([](const std::string& path) { return ParameterOptions{path.empty(), 2, 3}; }, bias);
  CHECK_FALSE(options.train);
  CHECK(options.rate == 2);
  CHECK(options.decay == 3);
  CHECK(options_of(TrainAll{}, bias).train);
  CHECK(options_of(TrainAll{}, bias).rate == 1);
}
