#include <quern/ops/positions.hpp>

#include <cmath>

#include <quern/ops/add.hpp>
#include <quern/ops/embedding.hpp>
#include <quern/ops/mul.hpp>
#include <quern/ops/slice.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"
#include "support/gradients.hpp"

using namespace test;

namespace {

using Ints = Tensor<std::int32_t, 1>;

void expect_positions(const std::vector<std::int64_t>& lengths) {
  const auto offsets = offsets_of(lengths);
  Ints positions(sum_of(lengths)), first(lengths.size());
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    first(b) = std::int32_t(offsets(b));
    for (std::int64_t t = 0; t < lengths[b]; ++t) positions(offsets(b) + t) = std::int32_t(t);
  }
  CHECK(same_bits(token_positions(on_device(offsets), sum_of(lengths)), positions));
  CHECK(same_bits(first_rows(on_device(offsets), sum_of(lengths)), first));
}

template <class T>
void expect_sinusoids(const std::vector<std::int64_t>& lengths, std::int64_t width, double bound) {
  const auto offsets = offsets_of(lengths);
  const auto y = on_host(sinusoidal_positions<T>(on_device(offsets), sum_of(lengths), width));
  REQUIRE(y.shape() == Shape{sum_of(lengths), width});
  double worst = 0;
  for (std::size_t b = 0; b < lengths.size(); ++b)
    for (std::int64_t t = 0; t < lengths[b]; ++t)
      for (std::int64_t c = 0; c < width; ++c) {
        const double angle = double(t) * std::pow(10000.0, -double(c / 2 * 2) / double(width));
        worst = std::max(worst, std::abs(double(y(offsets(b) + t, c)) - (c % 2 ? std::cos(angle) : std::sin(angle))));
      }
  CHECK(worst <= bound);
}

template <class T>
struct Rows {
  Tensor<T, 2> x;
  static void visit(auto&& f, auto&... m) { f("x", m.x...); }
};

}  // namespace

TEST_CASE("positions: places of tokens and first rows") {
  expect_positions({});
  expect_positions({1});
  expect_positions({3, 1, 7});
  expect_positions({300, 2, 1, 517});          // more tokens than a block has threads
  expect_positions(drawn_lengths(600, 5, 1));  // more texts than a block has threads
}

TEST_CASE("positions: token_positions of texts without tokens") {
  CHECK(same_bits(token_positions(on_device(offsets_of({0, 2, 0, 1, 0})), 3), Ints::of({3}, {0, 1, 0})));
}

TEST_CASE("positions: sinusoids") {
  // On a GPU an angle errs by its place times 2^-23, and a bit of the functions.
  const double err = has_cuda ? 3e-6 : 1e-7;
  expect_sinusoids<float>({}, 4, err);
  expect_sinusoids<float>({1}, 1, err);
  expect_sinusoids<float>({5, 1, 17}, 32, err);
  expect_sinusoids<float>({3, 9}, 7, err);
  expect_sinusoids<float>({4}, 1030, err);  // more columns than a block has threads for
  expect_sinusoids<float>({600}, 6, has_cuda ? 1e-4 : 1e-7);
  expect_sinusoids<bf16>({5, 1, 17}, 32, 0x1p-8);
  if (!has_cuda) expect_sinusoids<double>({5, 100}, 32, 1e-14);
}

TEST_CASE("positions: the first row of each text, taken by embedding, gives the gradient back to those rows") {
  for (const auto& lengths : {std::vector<std::int64_t>{2, 1, 5}, drawn_lengths(70, 9, 1)}) {
    const auto offsets = offsets_of(lengths);
    const std::int64_t n = sum_of(lengths), width = 5;
    expect_op(
        Rows<double>{drawn(Shape{n, width}, 1)}, {.most = 40},
        [&](const auto& in) { return embedding(first_rows(beside(in.x, offsets), n), in.x); },
        [&](const Rows<double>& in) {
          std::vector<double> y;
          for (std::size_t b = 0; b < lengths.size(); ++b)
            for (std::int64_t c = 0; c < width; ++c) y.push_back(in.x(offsets(b), c));
          return y;
        });
  }
}

TEST_CASE("positions: rows of a result that other ops use too, one row twice") {
  const Ids rows = Ids::of({3}, {2, 0, 2});
  expect_op(
      Rows<double>{drawn(Shape{4, 3}, 1)}, {.backward_terms = 3, .kept = 1, .backward_kept = 3},
      [&](const auto& in) {  // x · x is the result of an op: its gradient is no parameter's
        const auto square = mul(in.x, in.x);
        return add(embedding(beside(in.x, rows), square), slice(square, 0, 1, 4));
      },
      [&](const Rows<double>& in) {
        std::vector<double> y;
        for (std::int64_t i = 0; i < 3; ++i)
          for (std::int64_t c = 0; c < 3; ++c)
            y.push_back(in.x(rows(i), c) * in.x(rows(i), c) + in.x(i + 1, c) * in.x(i + 1, c));
        return y;
      });
}

TEST_CASE("positions refuses offsets that do not cut the rows, and first_rows a text without rows") {
  if (has_cuda) {  // the kernel finds it, and it is thrown where a result is waited for
    const auto offsets = on_device(offsets_of({2, 0, 3}));
    expect_message(message_of<InvalidArgument>([&] { (void)on_host(first_rows(offsets, 5)); }),
                   {"first_rows: text 1 of 3 has no rows"});
    return;
  }
  const auto offsets = offsets_of({2, 3});
  expect_invalid([&] { (void)token_positions(offsets, 6); }, {"token_positions: offsets [3]", "number of rows, 6"});
  expect_invalid([&] { (void)first_rows(offsets, 4); }, {"first_rows: offsets [3]"});
  expect_invalid([&] { (void)sinusoidal_positions<float>(offsets, 4, 8); }, {"sinusoidal_positions: offsets [3]"});
  expect_invalid([&] { (void)first_rows(offsets_of({2, 0, 3}), 5); }, {"first_rows: text 1 of 3 has no rows"});
}
