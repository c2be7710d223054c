#include <quern/nn/multi_head_attention.hpp>

#include <doctest/doctest.h>

#include <quern/autograd/gradcheck.hpp>
#include <quern/cpu/eigen.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/weighted_sum.hpp"

using namespace test;

namespace {

nn::MultiHeadAttention<double> module(nn::MultiHeadAttentionOptions options = {}) {
  nn::MultiHeadAttention<double> m(6, 2, options);
  initialise(m, 1);
  return m;
}
Packed<double> texts() { return {drawn(Shape{7, 6}, 1), offsets_of({4, 1, 2})}; }

}  // namespace

TEST_CASE("nn::MultiHeadAttention projects, attends and projects again") {
  const auto m = module({.causal = true});
  std::vector<std::string> names;
  walk_tensors([&](const Path& path, const auto& w) { names.push_back(text_of(path, " ", w.shape())); }, m);
  CHECK(names == std::vector<std::string>{"query.weight [6, 6]", "query.bias [6]", "key.weight [6, 6]", "key.bias [6]",
                                          "value.weight [6, 6]", "value.bias [6]", "out.weight [6, 6]",
                                          "out.bias [6]"});
  const auto x = texts();
  const auto y = m(x);
  CHECK(same_bits(y.offsets, x.offsets));
  CHECK(same_bits(y.rows, m.out(attention(m.query(x), m.key(x), m.value(x), {.heads = 2, .causal = true})).rows));
  CHECK_FALSE(same_bits(y.rows, module()(x).rows));
  const auto narrow = cast<float>(m);
  CHECK(narrow.heads == 2);
  CHECK(narrow.causal);
}

TEST_CASE("nn::MultiHeadAttention passes gradcheck, also with dropout") {
  for (double dropout : {0.0, 0.4}) {
    GradcheckOptions options;
    options.random = Random(5, Purpose::dropout, 1);
    options.random_changes_value = dropout > 0;
    options.floor = 1e-4;  // the gradient of the key's bias is zero: it shifts all scores of a row alike
    const auto report = gradcheck(
        module({.dropout = dropout}), [](const auto& m) { return weighted_sum(m(texts()).rows, drawn_weights(42)); },
        options);
    CHECK_MESSAGE(report.ok(), report.text());
    CHECK(report.parameters.size() == 8);
  }
}

TEST_CASE("nn::MultiHeadAttention refuses heads that do not divide its columns") {
  nn::MultiHeadAttention<double> m(6, 4);
  expect_message(message_of<InvalidArgument>([&] { (void)m(texts()); }),
                 {"attention: ", "4 heads must divide its columns, 6"});
}
