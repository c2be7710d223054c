#include <quern/ops/dropout.hpp>

#include <cmath>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"

using namespace test;

namespace {

template <class T>
struct Inputs {
  Tensor<T, 2> x;
  static void visit(auto&& f, auto&... m) { f("x", m.x...); }
};

const Random stream(7, Purpose::dropout, 3);

/// The mask by its definition: element i is dropped where its 32 bits, as a fraction, are below p.
auto naive(double p) {
  return [p](const Inputs<double>& in) {
    std::vector<double> y;
    for (std::int64_t i = 0; i < in.x.size(); ++i)
      y.push_back(double(stream.bits(0, std::uint64_t(i))) / 0x1p32 < p ? 0 : in.x.data()[i] / (1 - p));
    return y;
  };
}

void expect_dropout(Shape<2> shape, double p, std::int64_t most = 0) {
  expect_op(
      Inputs<double>{drawn(shape, 1)}, {.terms = 4, .backward_terms = 4, .most = most, .random = stream},
      [p](const auto& in) { return dropout(in.x, p); }, naive(p));
}

}  // namespace

TEST_CASE("dropout while training") {
  for (double p : {0.0, 0.1, 0.5}) {
    for (auto shape : {Shape{0, 5}, Shape{5, 0}, Shape{9, 1}, Shape{1, 17}, Shape{7, 13}}) expect_dropout(shape, p);
    expect_dropout({3, 5001}, p, 12);
  }
}

TEST_CASE("dropout drops about p of the elements, and keeps the mean") {
  Tensor<float, 2> x({100, 1000}, test_device());
  x.fill(1);
  for (double p : {0.1, 0.5, 0.9}) {
    const auto y = on_host(dropout_forward(x, p, stream, 0).y);
    double sum = 0;
    std::int64_t dropped = 0;
    for (auto v : y.span()) sum += v, dropped += v == 0;
    const double deviation = std::sqrt(p * (1 - p) * 100'000);  // of the number dropped
    CHECK(std::abs(double(dropped) - p * 100'000) < 4 * deviation);
    CHECK(std::abs(sum - 100'000) < 4 * deviation / (1 - p));
  }
}

TEST_CASE("dropout: every op of a tape, every step and every seed has a mask of its own") {
  Tensor<float, 2> x({10, 100}, test_device()), dx({10, 100}, test_device());
  x.fill(1);
  Tape tape(stream);
  const auto r = tape.watch(x, dx);
  const auto first = dropout(r, 0.5).value(), second = dropout(r, 0.5).value();
  CHECK_FALSE(same_bits(first, second));
  CHECK(same_bits(first, dropout_forward(x, 0.5, stream, 0).y));
  CHECK(same_bits(second, dropout_forward(x, 0.5, stream, 1).y));
  CHECK_FALSE(same_bits(first, dropout_forward(x, 0.5, Random(7, Purpose::dropout, 4), 0).y));
  CHECK_FALSE(same_bits(first, dropout_forward(x, 0.5, Random(8, Purpose::dropout, 3), 0).y));
}

TEST_CASE("dropout does nothing to a plain tensor, and on a tape without a random stream") {
  const auto x = drawn(Shape{5, 7}, 1);
  CHECK(same_bits(dropout(x, 0.5), x));
  Tensor<double, 2> dx(5, 7);
  Tape tape;
  const auto y = dropout(tape.watch(x, dx), 0.5);
  CHECK(same_bits(y.value(), x));
  CHECK(tape.size() == 0);
  tape.backward(weighted_sum(y, drawn_weights(35)));
  CHECK(std::vector<double>(dx.span().begin(), dx.span().end()) == drawn_weights(35));
  const Packed<double> texts{x, offsets_of({2, 3})};
  CHECK(same_bits(dropout(texts, 0.5).rows, x));
  CHECK(same_bits(dropout(texts, 0.5).offsets, texts.offsets));
}

TEST_CASE("dropout refuses what is no probability below 1") {
  const auto x = drawn(Shape{2, 2}, 1);
  Tensor<double, 2> dx(2, 2);
  Tape tape(stream);
  const auto r = tape.watch(x, dx);
  for (double p : {-0.1, 1.0, 1.5, std::nan("")}) {
    expect_invalid([&] { (void)dropout(x, p); }, {"dropout: ", "[0, 1)", text_of("got ", p)});
    expect_invalid([&] { (void)dropout(r, p); }, {"dropout: ", "[0, 1)", text_of("got ", p)});
    expect_invalid([&] { (void)dropout_forward(x, p, stream, 0); }, {"dropout: ", "[0, 1)"});
  }
}
