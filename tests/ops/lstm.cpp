#include "recurrent_cases.hpp"

namespace {

const auto op = [](const auto& in, const Offsets& offsets, bool reverse) {
  return lstm(Packed{keep(in.x), offsets}, in.weight_ih, in.weight_hh, in.bias_ih, in.bias_hh, reverse);
};

auto naive(const Recurrence& shape) {
  return [shape](const RecurrentInputs<double>& in) {
    return shape.walk([&](std::int64_t row, std::vector<double>& h, std::vector<double>& c) {
      const auto before = h;
      const std::int64_t n = shape.units;
      for (std::int64_t u = 0; u < n; ++u) {
        const auto gate = [&](std::int64_t g) {
          return Recurrence::of_input(in, row, g * n + u) + Recurrence::of_state(in, before, g * n + u);
        };
        const double i = logistic(gate(0)), f = logistic(gate(1)), g = std::tanh(gate(2)), o = logistic(gate(3));
        c[std::size_t(u)] = f * c[std::size_t(u)] + i * g;
        h[std::size_t(u)] = o * std::tanh(c[std::size_t(u)]);
      }
    });
  };
}

/// Of bf16: what x gives to the gates is rounded, at most 2 in size, and the gates' slopes are 1/4 and 1; backward
/// multiplies gates that were rounded, and rounds what it hands to the products.
void expect_lstm(const Recurrence& c, std::int64_t most = 0) {
  const auto offsets = offsets_of(c.lengths);
  const std::int64_t terms = 2 * (c.columns + c.units + 8), rows = sum_of(c.lengths);
  const OpCase how{
      .terms = terms, .backward_terms = terms + 4 * c.units + rows, .most = most, .kept = 0.5, .backward_kept = 1};
  expect_op(
      c.inputs(), how, [&](const auto& in) { return op(in, beside(in.x, offsets), c.reverse); }, naive(c));
}

}  // namespace

TEST_CASE("lstm") {
  for (const auto& c : small_recurrences(4)) expect_lstm(c);
  expect_lstm({4, {6, 3, 1, 2, 5, 4, 3}, 19, 70, false}, 12);  // more than a panel of units, two groups of texts
}

TEST_CASE("lstm: a text's results are its own") { expect_own_text(4, op); }

TEST_CASE("lstm refuses what does not fit") {
  expect_recurrent_errors("lstm", 4,
                          [](const auto& x, const auto& weight_ih, const auto& weight_hh, const auto& bias_ih,
                             const auto& bias_hh) { (void)lstm(x, weight_ih, weight_hh, bias_ih, bias_hh); });
}
