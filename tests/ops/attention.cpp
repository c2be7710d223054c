#include <quern/ops/attention.hpp>

#include <cmath>
#include <limits>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"

using namespace test;

namespace {

template <class T>
struct Inputs {
  Tensor<T, 2> q, k, v;
  static void visit(auto&& f, auto&... m) { f("q", m.q...), f("k", m.k...), f("v", m.v...); }
};

const Random stream(7, Purpose::dropout, 3);

Inputs<double> inputs(std::int64_t rows, std::int64_t columns) {
  const Shape shape{rows, columns};
  return {drawn(shape, 1), drawn(shape, 2), drawn(shape, 3)};
}

auto over(const auto& in, const Offsets& offsets, const AttentionOptions& options) {
  const auto texts = beside(in.q, offsets);
  return attention(Packed{keep(in.q), texts}, Packed{keep(in.k), texts}, Packed{keep(in.v), texts}, options);
}

/// By the definition: a row of scores at a time, the whole of it.
std::vector<double> naive(const Inputs<double>& in, const Offsets& offsets, const AttentionOptions& options) {
  const std::int64_t N = in.q.extent(0), D = in.q.extent(1) / options.heads;
  std::vector<double> y(std::size_t(in.q.size()));
  for (std::int64_t b = 0; b + 1 < offsets.size(); ++b)
    for (std::int64_t h = 0; h < options.heads; ++h)
      for (std::int64_t i = offsets(b); i < offsets(b + 1); ++i) {
        const std::int64_t end = options.causal ? i + 1 : offsets(b + 1);
        std::vector<double> p;
        double sum = 0;
        for (std::int64_t j = offsets(b); j < end; ++j) {
          double score = 0;
          for (std::int64_t c = h * D; c < h * D + D; ++c) score += in.q(i, c) * in.k(j, c);
          p.push_back(std::exp(score / std::sqrt(double(D))));
          sum += p.back();
        }
        for (std::size_t j = 0; j < p.size(); ++j) {
          const auto element = std::uint64_t(i * ((N + 3) / 4 * 4)) + j;
          if (options.dropout > 0 && double(stream.bits(std::uint32_t(h), element)) / 0x1p32 < options.dropout)
            continue;
          for (std::int64_t c = h * D; c < h * D + D; ++c)
            y[std::size_t(i * in.q.extent(1) + c)] +=
                p[j] / sum / (1 - options.dropout) * in.v(offsets(b) + std::int64_t(j), c);
        }
      }
  return y;
}

/// On a GPU bf16 keeps probabilities and their gradients in bf16 for the tensor cores; backward takes the rounded y.
template <bool with_bf16 = true>
void expect_attention(const std::vector<std::int64_t>& lengths, std::int64_t D, AttentionOptions options,
                      std::int64_t most = 0) {
  const auto offsets = offsets_of(lengths);
  std::int64_t longest = 0;
  for (auto n : lengths) longest = std::max(longest, n);
  OpCase c{.terms = longest + D, .backward_terms = 2 * (longest + D), .most = most, .kept = 1, .backward_kept = 2};
  if (options.dropout > 0) c.random = stream;
  expect_op<with_bf16>(
      inputs(sum_of(lengths), D * options.heads), c, [&](const auto& in) { return over(in, offsets, options); },
      [&](const Inputs<double>& in) { return naive(in, offsets, options); });
}

/// More rows than the CPU takes at a time; on a GPU 70 are, and the emulator is slow.
const std::int64_t many = has_cuda ? 70 : 530;

}  // namespace

TEST_CASE("attention") {
  expect_attention({}, 3, {});
  expect_attention({1, 2}, 1, {});
  expect_attention({0, 3, 0, 1, 5}, 8, {.heads = 2});
  expect_attention({6, 2, 9}, 5, {.heads = 3});
  expect_attention({20, 1, 33}, 32, {}, 20);
  expect_attention({17, 4}, 64, {.heads = 2}, 20);
  expect_attention({18}, 128, {}, 20);
}

TEST_CASE("attention of texts that are cut into blocks") {
  expect_attention({has_cuda ? 130 : 150, 3}, 32, {}, 6);
  expect_attention<has_cuda>({many}, 8, {}, 3);
}

TEST_CASE("attention, causal") {
  expect_attention({0, 3, 1, 7}, 8, {.heads = 2, .causal = true});
  expect_attention({70, 20}, 32, {.causal = true}, 8);
  expect_attention<has_cuda>({many}, 4, {.causal = true}, 3);
}

TEST_CASE("attention, with dropout of the probabilities") {
  expect_attention({7, 0, 13, 1}, 8, {.heads = 2, .dropout = 0.3});
  expect_attention({70, 9}, 32, {.heads = 2, .causal = true, .dropout = 0.5}, 8);
  expect_attention<has_cuda>({3, many}, 4, {.dropout = 0.1}, 3);
}

TEST_CASE_TEMPLATE("attention of a text does not depend on its neighbours", T, float, SecondNumber) {
  const auto offsets = offsets_of({5, 0, 67, 1, 19});
  const auto in = to(cast<T>(inputs(92, 64)), test_device());
  const auto dy = on_device(cast<T>(inputs(92, 64)).k);
  const auto rows = [](const Tensor<T, 2>& x, std::int64_t first, std::int64_t n) {
    const auto from = on_host(x);
    auto to = Tensor<T, 2>::empty({n, 64});
    std::copy_n(from.data() + first * 64, n * 64, to.data());
    return on_device(to);
  };
  const auto run = [&](const Inputs<T>& x, const Tensor<T, 2>& g, const Offsets& o) {
    const auto texts = on_device(o);
    const auto f = attention_forward(Packed{x.q.share(), texts}, Packed{x.k.share(), texts}, Packed{x.v.share(), texts},
                                     {.heads = 2});
    auto d = attention_backward(g, x.q, x.k, x.v, f.y.rows, f.saved);
    return std::array{f.y.rows.share(), std::move(d.q), std::move(d.k), std::move(d.v)};
  };
  const auto all = run(in, dy, offsets);
  for (std::int64_t b = 0; b < 5; ++b) {
    const std::int64_t first = offsets(b), n = offsets(b + 1) - first;
    const Inputs<T> own{rows(in.q, first, n), rows(in.k, first, n), rows(in.v, first, n)};
    const auto alone = run(own, rows(dy, first, n), offsets_of({n}));
    for (std::size_t i = 0; i < 4; ++i) CHECK(same_bits(on_host(alone[i]), on_host(rows(all[i], first, n))));
  }
}

TEST_CASE_TEMPLATE("attention: large scores do not overflow; NaN stays in its text, of q in its row", T, float,
                   SecondNumber) {
  const auto offsets = offsets_of({4, 3});
  auto in = cast<T>(inputs(7, 8));
  for (int i = 0; i < 4; ++i)
    for (int c = 0; c < 8; ++c) in.q(i, c) = in.k(i, c) = T(i == c ? 1000 : 0);  // row i is like row i alone
  auto y = on_host(over(to(in, test_device()), offsets, {}).rows);
  for (int i = 0; i < 4; ++i)
    for (int c = 0; c < 8; ++c) CHECK(y(i, c) == in.v(i, c));
  in.q(1, 3) = T(NAN);
  y = on_host(over(to(in, test_device()), offsets, {}).rows);
  for (int i = 0; i < 7; ++i) CHECK(std::isnan(double(y(i, 5))) == (i == 1));
  in.k(5, 3) = T(NAN);
  y = on_host(over(to(in, test_device()), offsets, {}).rows);
  for (int i = 0; i < 7; ++i) CHECK(std::isnan(double(y(i, 5))) == (i == 1 || i >= 4));
}

TEST_CASE("attention drops on a tape with a random stream alone, each op and each head with a mask of its own") {
  const auto offsets = offsets_of({6, 4});
  const auto in = inputs(10, 8);
  auto grads = zeros_like(in);
  const AttentionOptions drops{.heads = 2, .dropout = 0.5}, plain{.heads = 2};
  const auto without = over(in, offsets, plain).rows.share();
  CHECK(same_bits(over(in, offsets, drops).rows, without));
  Tape still, tape(stream);
  CHECK(same_bits(over(still.watch(in, grads), offsets, drops).rows.value(), without));
  const auto watched = tape.watch(in, grads);
  const auto first = over(watched, offsets, drops), second = over(watched, offsets, drops);
  CHECK_FALSE(same_bits(first.rows.value(), without));
  CHECK_FALSE(same_bits(first.rows.value(), second.rows.value()));
  CHECK(tape.next_random_op() == 4);
  const auto packed = [&](const auto& x) { return Packed{x.share(), offsets}; };
  const auto again = attention_forward(packed(in.q), packed(in.k), packed(in.v), drops, stream, 2);
  CHECK(same_bits(again.y.rows, second.rows.value()));
}

TEST_CASE("attention: of one tensor three times the gradients are added; constants get none") {
  const auto offsets = offsets_of({3, 4});
  const auto in = inputs(7, 6);
  const AttentionOptions options{.heads = 3};
  auto grads = zeros_like(in);
  Tensor<double, 2> dx(7, 6), dk(7, 6);
  const Inputs<double> thrice{in.q.share(), in.q.share(), in.q.share()};
  {
    Tape tape;
    tape.backward(weighted_sum(over(tape.watch(thrice, grads), offsets, options).rows, drawn_weights(42)));
  }
  {
    Tape tape;
    const Packed x{tape.watch(in.q, dx), offsets};
    tape.backward(weighted_sum(attention(x, x, x, options).rows, drawn_weights(42)));
  }
  for (std::int64_t i = 0; i < 42; ++i)
    CHECK(dx.data()[i] == doctest::Approx(grads.q.data()[i] + grads.k.data()[i] + grads.v.data()[i]));
  Tape tape;
  const auto k = Packed{tape.watch(in.q, dk), offsets};
  const auto y = attention(Packed{in.q.share(), offsets}, k, Packed{in.q.share(), offsets}, options);
  tape.backward(weighted_sum(y.rows, drawn_weights(42)));
  CHECK(same_bits(dk, grads.k));
}

TEST_CASE("attention refuses what does not fit") {
  const auto offsets = offsets_of({2, 3});
  auto in = cast<float>(inputs(5, 6));
  name_parameters(in);
  const auto packed = [&](const Tensor<float, 2>& x) { return Packed{x.share(), offsets}; };
  const auto q = packed(in.q), k = packed(in.k), v = packed(in.v);
  expect_invalid([&] { (void)attention(q, packed(Tensor<float, 2>(5, 4)), v); },
                 {"attention: q (q) is [5, 6] float", "k is [5, 4] float", "the shapes must be equal"});
  expect_invalid([&] { (void)attention(q, k, v, {.heads = 4}); },
                 {"attention: q (q) is [5, 6] float", "4 heads must divide its columns, 6"});
  expect_invalid([&] { (void)attention(q, k, v, {.heads = 0}); }, {"attention: ", "0 heads must divide"});
  expect_invalid([&] { (void)attention(q, k, v, {.dropout = 1}); }, {"attention: ", "dropout in [0, 1)", "got 1"});
  expect_invalid(
      [&] {
        (void)attention(q, k, Packed{in.v.share(), offsets_of({3, 2})});
      },
      {"attention: v has other texts than q", "rows of the same texts"});
  const auto none = Packed{in.q.share(), offsets_of({2, 2})};
  expect_invalid([&] { (void)attention(none, none, none); }, {"attention: offsets [3]", "number of rows, 5"});
  const Tensor<float, 2> many((1 << 17) + 1, 1);
  const Packed<float> long_batch{many.share(), offsets_of({many.extent(0)})};
  expect_invalid([&] { (void)attention(long_batch, long_batch, long_batch, {.dropout = 0.1}); },
                 {"attention: q is [131073, 1]", "at most 2^17 rows"});
  const auto f = attention_forward(q, k, v, {.heads = 2});
  expect_message(message_of<InvalidArgument>(
                     [&] { (void)attention_backward(Tensor<float, 2>(5, 2), in.q, in.k, in.v, f.y.rows, f.saved); }),
                 {"attention_backward: dy is [5, 2] float", "q (q) is [5, 6] float"});
}
