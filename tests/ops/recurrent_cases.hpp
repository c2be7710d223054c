/// Inputs, shapes and errors that the tests of lstm and gru share.
///
///   const Recurrence c{4, {3, 1, 7}, 5, 9, true};      // gates, lengths of the texts, columns, units, reverse
///   c.inputs(); c.walk(in, step);                       // step(row, h): h after that row, in place
#pragma once
#include <quern/ops/gru.hpp>
#include <quern/ops/lstm.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"

using namespace test;

template <class T>
struct RecurrentInputs {
  Tensor<T, 2> x, weight_ih, weight_hh;
  Tensor<T, 1> bias_ih, bias_hh;
  static void visit(auto&& f, auto&... m) {
    f("x", m.x...), f("weight_ih", m.weight_ih...), f("weight_hh", m.weight_hh...);
    f("bias_ih", m.bias_ih...), f("bias_hh", m.bias_hh...);
  }
};

struct Recurrence {
  std::int64_t gates;
  std::vector<std::int64_t> lengths;
  std::int64_t columns, units;
  bool reverse;

  /// Weights small enough that a state forgets its errors: by powers of two, which keep float's digits.
  RecurrentInputs<double> inputs() const {
    RecurrentInputs<double> in{drawn(Shape{sum_of(lengths), columns}, 1), drawn(Shape{gates * units, columns}, 2),
                               drawn(Shape{gates * units, units}, 3), drawn(Shape{gates * units}, 4),
                               drawn(Shape{gates * units}, 5)};
    double scale = 1;
    while (scale * scale * double(std::max(columns, units)) > 1) scale /= 2;
    for (auto* w : {&in.weight_ih, &in.weight_hh})
      for (double& v : w->span()) v *= scale;
    return in;
  }
  std::int64_t longest() const { return lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end()); }

  /// Of one gate: bias + Σ x weight_ih, and bias + Σ h weight_hh.
  static double of_input(const RecurrentInputs<double>& in, std::int64_t row, std::int64_t gate) {
    double sum = in.bias_ih(gate);
    for (std::int64_t e = 0; e < in.x.extent(1); ++e) sum += in.x(row, e) * in.weight_ih(gate, e);
    return sum;
  }
  static double of_state(const RecurrentInputs<double>& in, const std::vector<double>& h, std::int64_t gate) {
    double sum = in.bias_hh(gate);
    for (std::size_t k = 0; k < h.size(); ++k) sum += h[k] * in.weight_hh(gate, k);
    return sum;
  }

  /// h of every row, text by text: step(row, h, c) makes the next of both, which are 0 where a text begins.
  std::vector<double> walk(auto&& step) const {
    std::vector<double> y(std::size_t(sum_of(lengths) * units));
    std::int64_t first = 0;
    for (auto length : lengths) {
      std::vector<double> h(std::size_t(units), 0.0), c = h;
      for (std::int64_t t = 0; t < length; ++t) {
        const std::int64_t row = first + (reverse ? length - 1 - t : t);
        step(row, h, c);
        std::copy(h.begin(), h.end(), y.begin() + row * units);
      }
      first += length;
    }
    return y;
  }
};

inline double logistic(double x) { return 1 / (1 + std::exp(-x)); }

/// None, one row, one unit, texts without rows, more texts than walk together, and both directions.
inline std::vector<Recurrence> small_recurrences(std::int64_t gates) {
  return {{gates, {}, 3, 2, false},
          {gates, {1, 2}, 1, 1, false},
          {gates, {0, 2, 0}, 2, 3, true},
          {gates, {4}, 0, 2, false},
          {gates, {3, 1, 7, 0, 2}, 5, 17, false},
          {gates, {2, 5, 1, 1, 3, 4, 2, 3, 1, 2}, 3, 5, true}};
}

/// What both ops refuse; `call(x, weight_ih, weight_hh, bias_ih, bias_hh)` runs the op, plain or recorded.
void expect_recurrent_errors(const std::string& name, std::int64_t gates, auto&& call) {
  const Recurrence c{gates, {2, 3}, 3, 2, false};
  auto in = cast<float>(c.inputs());
  name_parameters(in);
  const auto offsets = offsets_of(c.lengths);
  const std::int64_t rows = 2 * gates;
  const auto message = [&](const auto& x, const auto& weight_ih, const auto& weight_hh, const auto& bias_ih,
                           const auto& bias_hh) {
    return message_of<InvalidArgument>([&] { call(x, weight_ih, weight_hh, bias_ih, bias_hh); });
  };
  const Packed<float> x{in.x, offsets}, narrow{Tensor<float, 2>(5, 2), offsets};
  expect_message(message(narrow, in.weight_ih, in.weight_hh, in.bias_ih, in.bias_hh),
                 {name + ": weight_ih (weight_ih) is [" + text_of(rows) + ", 3] float cpu", "x is [5, 2] float",
                  "3 columns (", name + ".cpp:"});
  expect_message(message(x, in.weight_ih, Tensor<float, 2>(rows, 3), in.bias_ih, in.bias_hh),
                 {name + ": weight_hh is [" + text_of(rows) + ", 3]", "expected [" + text_of(gates) + " H, H]"});
  expect_message(message(x, Tensor<float, 2>(7, 3), in.weight_hh, in.bias_ih, in.bias_hh),
                 {name + ": weight_ih is [7, 3] float", "weight_hh (weight_hh) is [", "equally many rows"});
  expect_message(message(x, in.weight_ih, in.weight_hh, Tensor<float, 1>(3), in.bias_hh),
                 {name + ": bias_ih is [3] float", "must have " + text_of(rows)});
  expect_message(message(x, in.weight_ih, in.weight_hh, in.bias_ih, Tensor<float, 1>(0)),
                 {name + ": bias_hh is [0] float", "must have " + text_of(rows)});
  expect_message(message(Packed<float>{in.x, offsets_of({2, 2})}, in.weight_ih, in.weight_hh, in.bias_ih, in.bias_hh),
                 {name + ": offsets [3]", "number of rows, 5"});
  Tape tape;
  auto grads = zeros_like(in);
  const auto r = tape.watch(in, grads);
  expect_message(message(narrow, r.weight_ih, r.weight_hh, r.bias_ih, r.bias_hh), {name + ": weight_ih (weight_ih)"});
}

/// A text alone, and the same one among others that are longer and shorter, of which one is NaN: the same bits.
void expect_own_text(std::int64_t gates, auto&& op) {
  for (bool reverse : {false, true}) {
    const Recurrence c{gates, {9, 4, 6, 1, 4, 8, 3, 2}, 7, 37, reverse};
    auto in = to(cast<float>(c.inputs()), Device::cpu());
    const std::int64_t first = 9 + 4, rows = 6;
    auto alone = RecurrentInputs<float>(in);
    alone.x = Tensor<float, 2>::of({rows, 7}, {in.x.data() + first * 7, std::size_t(rows * 7)});
    for (std::int64_t e = 0; e < 7; ++e) in.x(2, e) = std::numeric_limits<float>::quiet_NaN();
    const auto moved = to(in, test_device()), single = to(alone, test_device());
    const auto run = [&](const RecurrentInputs<float>& m, const std::vector<std::int64_t>& lengths) {
      Tape tape;
      auto grads = zeros_like(m);
      const auto r = tape.watch(m, grads);
      const auto y = op(r, beside(m.x, offsets_of(lengths)), reverse).rows;
      tape.backward(weighted_sum(y, std::vector<double>(std::size_t(y.size()), 1.0)));
      return std::pair{on_host(y.value()), on_host(grads.x)};
    };
    const auto [many, many_dx] = run(moved, c.lengths);
    const auto [one, one_dx] = run(single, {rows});
    CHECK(std::memcmp(many.data() + first * 37, one.data(), one.bytes()) == 0);
    double worst = 0;  // on a GPU the shape decides how a product's sums are cut
    for (std::int64_t i = 0; i < one_dx.size(); ++i)
      worst = std::max(worst, double(std::abs(many_dx.data()[first * 7 + i] - one_dx.data()[i])));
    CHECK(worst <= (has_cuda ? 1e-6 : 0));
    CHECK(std::isnan(many(2, 0)));
    CHECK(std::isfinite(many(first - 1, 0)));
  }
}
