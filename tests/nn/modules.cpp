#include <doctest/doctest.h>

#include <quern/autograd/gradcheck.hpp>
#include <quern/cpu/eigen.hpp>
#include <quern/nn/conv1d.hpp>
#include <quern/nn/embedding.hpp>
#include <quern/nn/linear.hpp>
#include <quern/ops/max_over_time.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/weighted_sum.hpp"

using namespace test;

namespace {

/// All three, one after another.
template <class T>
struct Chain {
  nn::Embedding<T> words;
  nn::Conv1d<T> window;
  nn::Linear<T> out;
  static void visit(auto&& f, auto&... m) { f("words", m.words...), f("window", m.window...), f("out", m.out...); }
  auto operator()(const Batch& batch) const { return out(max_over_time(window(words(batch)))); }
};

Chain<double> chain(bool bias = true) {
  Chain<double> m{{7, 3}, {3, 4, 2, bias}, {4, 2, bias}};
  initialise(m, 1);
  return m;
}

const Batch& batch() {
  static const Batch b = pack({{1, 2, 3}, {6}, {0, 3, 3, 5}});
  return b;
}

}  // namespace

TEST_CASE("modules have the shapes and names that PyTorch's have") {
  const auto m = chain();
  std::vector<std::string> all;
  walk_tensors([&](const Path& path, const auto& w) { all.push_back(text_of(path, " ", w.shape())); }, m);
  CHECK(all == std::vector<std::string>{"words.weight [7, 3]", "window.weight [4, 3, 2]", "window.bias [4]",
                                        "out.weight [2, 4]", "out.bias [2]"});
  CHECK(count_parameters(m) == 21 + 24 + 4 + 8 + 2);
  CHECK(std::string(m.window.weight.name()) == "window.weight");
  CHECK(count_parameters(chain(false)) == 21 + 24 + 8);
}

TEST_CASE("modules call their ops with their parameters") {
  const auto m = chain();
  const auto e = m.words(batch());
  CHECK(same_bits(e.rows, embedding(batch().ids, m.words.weight)));
  CHECK(same_bits(e.rows, m.words(batch().ids)));
  CHECK(same_bits(e.offsets, batch().offsets));
  CHECK(same_bits(m.window(e).rows, conv1d(e, m.window.weight, m.window.bias).rows));
  const auto x = drawn(Shape{2, 3, 4}, 1);
  CHECK(same_bits(m.out(x), linear(x, m.out.weight, m.out.bias)));
}

TEST_CASE("modules pass gradcheck, with and without bias") {
  for (bool bias : {true, false}) {
    const auto report =
        gradcheck(chain(bias), [](const auto& m) { return weighted_sum(m(batch()), drawn_weights(6)); });
    CHECK_MESSAGE(report.ok(), report.text());
    CHECK(report.parameters.size() == (bias ? 5 : 3));
  }
}

TEST_CASE("an op that refuses a module's weight names it by its path") {
  const auto m = chain();
  expect_message(message_of<InvalidArgument>([&] { (void)m.out(Tensor<double, 2>(2, 5)); }),
                 {"linear: weight (out.weight) is [2, 4] double", "x is [2, 5]"});
  expect_message(message_of<InvalidArgument>([&] { (void)m(pack({{7}})); }),
                 {"embedding: id 7", "weight (words.weight) is [7, 3]"});
}
