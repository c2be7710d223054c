#include <quern/nn/encoder_block.hpp>

#include <doctest/doctest.h>

#include <quern/autograd/checkpoint.hpp>
#include <quern/autograd/gradcheck.hpp>
#include <quern/cpu/eigen.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/weighted_sum.hpp"

using namespace test;

namespace {

/// Weights of a size that tells: biases and norms are not what they begin with.
nn::EncoderBlock<double> block(const nn::EncoderBlockOptions& options = {}) {
  nn::EncoderBlock<double> m(6, 2, 10, options);
  initialise(m, 1);
  std::uint32_t stream = 100;
  walk_tensors(
      [&](const Path&, auto& w) {
        if constexpr (std::remove_cvref_t<decltype(w)>::rank == 1)
          for (std::int64_t i = 0; i < w.size(); ++i) w(i) += 0.3 * drawn(w.shape(), stream)(i);
        ++stream;
      },
      m);
  return m;
}
Packed<double> texts() { return {drawn(Shape{7, 6}, 1), offsets_of({4, 1, 2})}; }

double distance(const Tensor<double, 2>& a, const Tensor<double, 2>& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a.data()[i] - b.data()[i]));
  return worst;
}

}  // namespace

TEST_CASE("nn::EncoderBlock has the parameters of a layer of BERT") {
  std::vector<std::string> names;
  const auto m = block();
  walk_tensors(
      [&](const Path& path, const auto& w) {
        if (!path.text().starts_with("attention.")) names.push_back(text_of(path, " ", w.shape()));
      },
      m);
  CHECK(names == std::vector<std::string>{"attention_norm.weight [6]", "attention_norm.bias [6]",
                                          "intermediate.weight [10, 6]", "intermediate.bias [10]",
                                          "output.weight [6, 10]", "output.bias [6]", "output_norm.weight [6]",
                                          "output_norm.bias [6]"});
  CHECK(count_parameters(m) == 4 * (36 + 6) + 2 * 60 + 16 + 24);
}

TEST_CASE("nn::EncoderBlock is its formula, with the norms behind the sums and before them") {
  const auto x = texts();
  const auto feed = [](const auto& m, const auto& h) { return m.output(gelu(m.intermediate(h))); };
  const auto post = block();
  const auto h = post.attention_norm(add(x.rows, post.attention(x).rows));
  CHECK(distance(post(x).rows, post.output_norm(add(h, feed(post, h)))) < 1e-14);
  const auto pre = block({.norm_first = true});
  const auto k = add(x.rows, pre.attention(pre.attention_norm(x)).rows);
  CHECK(distance(pre(x).rows, add(k, feed(pre, pre.output_norm(k)))) < 1e-14);
  CHECK(distance(pre(x).rows, post(x).rows) > 0.1);
  CHECK(distance(block({.causal = true})(x).rows, post(x).rows) > 1e-3);
}

TEST_CASE("nn::EncoderBlock gives of some rows what it gives of all") {
  const auto rows = Ids::of({4}, {6, 0, 4, 0});
  for (bool norm_first : {false, true}) {
    const auto m = block({.norm_first = norm_first});
    CHECK(distance(m.of_rows(texts(), rows), embedding(rows, m(texts()).rows)) < 1e-14);
  }
}

TEST_CASE("nn::EncoderBlock passes gradcheck: both places of the norms, with dropout, of all rows and of some") {
  for (bool norm_first : {false, true})
    for (bool some : {false, true}) {
      GradcheckOptions options;
      options.random = Random(5, Purpose::dropout, 1);
      options.random_changes_value = !some;
      options.floor = 1e-2;  // the gradient of the key's bias is zero; differences of the loss are good to 1e-9
      const auto m = block({.norm_first = norm_first, .dropout = some ? 0 : 0.3, .attention_dropout = some ? 0 : 0.2});
      const auto report = gradcheck(
          m,
          [&](const auto& b) {
            if (some) return weighted_sum(b.of_rows(texts(), Ids::of({3}, {5, 0, 5})), drawn_weights(18));
            return weighted_sum(b(texts()).rows, drawn_weights(42));
          },
          options);
      CHECK_MESSAGE(report.ok(), report.text());
      CHECK(report.parameters.size() == 16);
    }
}

TEST_CASE("nn::EncoderBlock recomputed gives the same bits, dropout included") {
  for (bool norm_first : {false, true}) {
    const auto m = block({.norm_first = norm_first, .dropout = 0.3, .attention_dropout = 0.2});
    auto kept = zeros_like(m), again = zeros_like(m);
    const auto pass = [&](auto& grads, bool recompute) {
      Tape tape(Random(5, Purpose::dropout, 1));
      const auto r = tape.watch(m, grads);
      Tensor<double, 2> dx(7, 6);
      const Packed<Recorded<double>> x{tape.watch(texts().rows, dx), offsets_of({4, 1, 2})};
      const auto y = recompute ? checkpoint(r, x) : r(x);
      tape.backward(weighted_sum(y.rows, drawn_weights(42)));
      return std::pair{Tensor<double, 2>(y.rows.value()), std::move(dx)};
    };
    const auto one = pass(kept, false), two = pass(again, true);
    CHECK(same_bits(one.first, two.first));
    CHECK(same_bits(one.second, two.second));
    walk_tensors([](const Path& at, const auto& a, const auto& b) { CHECK_MESSAGE(same_bits(a, b), at.text()); }, kept,
                 again);
  }
}
