#include "recurrent_cases.hpp"

namespace {

const auto op = [](const auto& in, const Offsets& offsets, bool reverse) {
  return gru(Packed{keep(in.x), offsets}, in.weight_ih, in.weight_hh, in.bias_ih, in.bias_hh, reverse);
};

auto naive(const Recurrence& shape) {
  return [shape](const RecurrentInputs<double>& in) {
    return shape.walk([&](std::int64_t row, std::vector<double>& h, std::vector<double>&) {
      const auto before = h;
      const std::int64_t n = shape.units;
      for (std::int64_t u = 0; u < n; ++u) {
        const auto of_input = [&](std::int64_t g) { return Recurrence::of_input(in, row, g * n + u); };
        const auto of_state = [&](std::int64_t g) { return Recurrence::of_state(in, before, g * n + u); };
        const double r = logistic(of_input(0) + of_state(0)), z = logistic(of_input(1) + of_state(1));
        const double candidate = std::tanh(of_input(2) + r * of_state(2));
        h[std::size_t(u)] = (1 - z) * candidate + z * before[std::size_t(u)];
      }
    });
  };
}

/// Of bf16: as of lstm; q and the state that z keeps are rounded for backward as well.
void expect_gru(const Recurrence& c, std::int64_t most = 0) {
  const auto offsets = offsets_of(c.lengths);
  const std::int64_t terms = 2 * (c.columns + c.units + 8), rows = sum_of(c.lengths);
  const OpCase how{
      .terms = terms, .backward_terms = terms + 3 * c.units + rows, .most = most, .kept = 0.5, .backward_kept = 1};
  expect_op(
      c.inputs(), how, [&](const auto& in) { return op(in, beside(in.x, offsets), c.reverse); }, naive(c));
}

}  // namespace

TEST_CASE("gru") {
  for (const auto& c : small_recurrences(3)) expect_gru(c);
  expect_gru({3, {6, 3, 1, 2, 5, 4, 3, 2, 4}, 19, 70, false}, 12);  // more than a panel of units, two groups of texts
}

TEST_CASE("gru: a text's results are its own") { expect_own_text(3, op); }

TEST_CASE("gru refuses what does not fit") {
  expect_recurrent_errors("gru", 3,
                          [](const auto& x, const auto& weight_ih, const auto& weight_hh, const auto& bias_ih,
                             const auto& bias_hh) { (void)gru(x, weight_ih, weight_hh, bias_ih, bias_hh); });
}
