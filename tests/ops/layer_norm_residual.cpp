#include <quern/ops/layer_norm_residual.hpp>

#include <cmath>

#include <quern/ops/add.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"

using namespace test;

namespace {

template <class T>
struct Inputs {
  Tensor<T, 2> x, residual;
  Tensor<T, 1> weight, bias;
  static void visit(auto&& f, auto&... m) {
    f("x", m.x...), f("residual", m.residual...), f("weight", m.weight...), f("bias", m.bias...);
  }
};

constexpr double eps = 0.01;
const Random stream(7, Purpose::dropout, 3);

Inputs<double> inputs(Shape<2> shape) {
  return {drawn(shape, 1), drawn(shape, 4), drawn_off_zero(Shape{shape[1]}, 2), drawn(Shape{shape[1]}, 3)};
}

auto op(double p) {
  return [p](const auto& in) { return layer_norm_residual(in.x, in.residual, in.weight, in.bias, eps, p); };
}

/// The formula; the mask by its definition: element i is dropped where its 32 bits, as a fraction, are below p.
auto naive(double p) {
  return [p](const Inputs<double>& in) {
    std::vector<double> y;
    const std::int64_t n = in.x.extent(1);
    std::vector<double> sum(static_cast<std::size_t>(n));
    for (std::int64_t r = 0; r < in.x.extent(0); ++r) {
      double mean = 0, variance = 0;
      for (std::int64_t c = 0; c < n; ++c) {
        const bool drops = double(stream.bits(0, std::uint64_t(r * n + c))) / 0x1p32 < p;
        mean += (sum[std::size_t(c)] = in.x(r, c) + (drops ? 0 : in.residual(r, c) / (1 - p))) / double(n);
      }
      for (double s : sum) variance += (s - mean) * (s - mean) / double(n);
      for (std::int64_t c = 0; c < n; ++c)
        y.push_back((sum[std::size_t(c)] - mean) / std::sqrt(variance + eps) * in.weight(c) + in.bias(c));
    }
    return y;
  };
}

void expect_residual(Shape<2> shape, double p, std::int64_t most = 0) {
  OpCase c{.terms = 16, .backward_terms = 64 + shape[0], .most = most, .backward_kept = 2};
  if (p > 0) c.random = stream;
  expect_op(inputs(shape), c, op(p), naive(p));
}

}  // namespace

TEST_CASE("layer_norm_residual, with and without dropout") {
  for (double p : {0.0, 0.3}) {
    for (auto shape : {Shape{0, 5}, Shape{5, 0}, Shape{1, 3}, Shape{7, 13}, Shape{3, 131}}) expect_residual(shape, p);
    for (std::int64_t n : {8, 264, 776, 1000, 1032}) expect_residual({5, n}, p, 12);
    expect_residual({700, 67}, p, 12);
  }
}

TEST_CASE(
    "layer_norm_residual is layer_norm of add and dropout, one after another: the same mask, value and gradients") {
  if (has_cuda) return;  // a matter of the CPU's last digits; on a GPU the mask is compared with its definition above
  const auto in = inputs({6, 10});
  const auto apart = [](const auto& m) {
    return layer_norm(add(m.x, dropout(m.residual, 0.3)), m.weight, m.bias, eps);
  };
  auto fused_grads = zeros_like(in), apart_grads = zeros_like(in);
  Tape fused_tape(stream), apart_tape(stream);
  const auto fused = op(0.3)(fused_tape.watch(in, fused_grads));
  const auto other = apart(apart_tape.watch(in, apart_grads));
  expect_close("value", fused.value().span(), other.value().span(), 1e-13);
  fused_tape.backward(weighted_sum(fused, drawn_weights(60)));
  apart_tape.backward(weighted_sum(other, drawn_weights(60)));
  walk_tensors(
      [](const Path& path, const auto& a, const auto& b) { expect_close(path.text(), a.span(), b.span(), 1e-13); },
      fused_grads, apart_grads);
}

TEST_CASE("layer_norm_residual: every call on a tape draws a mask of its own; plain tensors draw none") {
  const auto in = to(cast<float>(inputs({6, 10})), test_device());
  auto grads = zeros_like(in);
  Tape tape(stream);
  const auto r = tape.watch(in, grads);
  const auto first = op(0.3)(r), second = op(0.3)(r);
  const auto by_hand = [&](std::uint32_t number) {
    return layer_norm_residual_forward(in.x, in.residual, in.weight, in.bias, eps, 0.3, stream, number).y;
  };
  CHECK(same_bits(first.value(), by_hand(0)));
  CHECK(same_bits(second.value(), by_hand(1)));
  CHECK_FALSE(same_bits(by_hand(0), by_hand(1)));
  CHECK(same_bits(op(0.3)(in), op(0)(in)));
  Tape silent;
  CHECK(same_bits(op(0.3)(silent.watch(in, grads)).value(), op(0)(in)));
  const auto offsets = on_device(offsets_of({2, 4}));
  const Packed<float> x{in.x, offsets}, residual{in.residual, offsets};
  const auto texts = layer_norm_residual(x, residual, in.weight, in.bias, eps, 0.3);
  CHECK(same_bits(texts.rows, op(0)(in)));
  CHECK(same_bits(texts.offsets, x.offsets));
}

TEST_CASE("layer_norm_residual: a NaN that is dropped is gone") {
  auto with_nan = cast<float>(inputs({40, 10}));
  with_nan.residual(0, 0) = std::nanf("");
  const auto in = to(with_nan, test_device());
  int gone = 0;
  for (std::uint32_t number = 0; number < 40; ++number) {
    const auto f = layer_norm_residual_forward(in.x, in.residual, in.weight, in.bias, eps, 0.5, stream, number);
    const auto y = on_host(f.y);
    const bool dropped = double(stream.bits(number, 0)) / 0x1p32 < 0.5;
    gone += dropped;
    CHECK(std::isnan(y(0, 9)) == !dropped);
    CHECK(std::isfinite(y(1, 0)));
  }
  CHECK(gone > 5);
  CHECK(gone < 35);
}

TEST_CASE("layer_norm_residual refuses what does not fit") {
  const auto in = inputs({3, 5});
  const auto wide = drawn(Shape{3, 6}, 1);
  const auto& [x, residual, weight, bias] = in;
  expect_invalid(
      [&, &x = x, &weight = weight, &bias = bias] { (void)layer_norm_residual(x, wide, weight, bias, eps, 0); },
      {"layer_norm_residual: ", "x is [3, 5] double", "residual is [3, 6] double"});
  expect_invalid([&, &weight = weight, &bias = bias] { (void)layer_norm_residual(wide, wide, weight, bias, eps, 0); },
                 {"layer_norm_residual: ", "weight is [5] double", "weight must have 6 elements"});
  expect_invalid([&, &x = x, &weight = weight, &bias = bias] { (void)layer_norm_residual(x, x, weight, bias, eps, 1); },
                 {"dropout: ", "got 1"});
}
