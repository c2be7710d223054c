/// Everything an op must satisfy, in one call for one shape. The inputs are a struct with `visit`, in double:
///
///   template <class T> struct Inputs { Tensor<T, 2> a, b; static void visit(auto&& f, auto&... m) { … } };
///   expect_op(Inputs<double>{…}, {.terms = 1}, [](const auto& in) { return add(in.a, in.b); },
///             [](const Inputs<double>& in) { … a std::vector<double>, from the formula … });
///
/// For float and double: the value against the naive reference; the recorded value has the plain one's bits; the same
/// bits of values and gradients with 1, 2 and 5 threads. In double, every gradient against central differences; in
/// float, against that in double. The bounds follow from the number of terms in the longest sum: sums of n products of
/// numbers up to 1 err by about n/2 units of rounding, and eight times that is allowed.
#pragma once
#include <doctest/doctest.h>

#include <cstdio>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <quern/autograd/gradcheck.hpp>
#include <quern/cpu/eigen.hpp>

#include "support/weighted_sum.hpp"

namespace test {

/// Op × type × shape cases that were run; printed when the program ends.
inline int op_cases = 0;

struct OpCaseListener : doctest::IReporter {
  explicit OpCaseListener(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override { std::printf("op × type × shape cases: %d\n", op_cases); }
  void test_case_start(const doctest::TestCaseData&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};
inline const int op_case_listener = doctest::registerReporter<OpCaseListener>("op_cases", 1, false);

struct OpCase {
  std::int64_t terms = 1;             // in the longest sum of the forward pass
  std::int64_t backward_terms = 1;    // in the longest sum of the backward pass
  std::int64_t most = 0;              // elements of each input that are moved for the central difference; 0: all
  double step = 1e-6;                 // of the central difference
  std::optional<Random> random = {};  // given to the tape; the plain op's value then differs
};

/// Four times the expected error of a sum of that many products of numbers up to 1.
template <class T>
double rounding_bound(std::int64_t terms) {
  return 4 * double(std::numeric_limits<T>::epsilon()) * double(terms + 4);
}

template <class T, int Rank>
Tensor<T, Rank> rows_of(Tensor<T, Rank> y) {
  return y;
}
template <class T>
Tensor<T, 2> rows_of(Packed<T> y) {
  return std::move(y.rows);
}

/// |a - b| ≤ bound element by element; NaN agrees with nothing.
inline void expect_close(const std::string& what, auto&& a, auto&& b, double bound) {
  REQUIRE(std::int64_t(a.size()) == std::int64_t(b.size()));
  double worst = 0;
  std::int64_t place = 0;
  for (std::int64_t i = 0; i < std::int64_t(a.size()); ++i) {
    const double d = std::abs(double(a[std::size_t(i)]) - double(b[std::size_t(i)]));
    if (!(d <= worst)) worst = d, place = i;
    if (worst != worst) break;
  }
  CHECK_MESSAGE(worst <= bound, what, ": element ", place, " differs by ", worst, ", allowed ", bound);
}

/// "a [3, 4] b [3, 4] "
std::string shapes_of(const auto& inputs) {
  std::string out;
  walk_tensors([&](const Path& path, const auto& x) { out += text_of(path, " ", x.shape(), " "); }, inputs);
  return out;
}

/// The value and the gradients of one pass over a tape.
template <class Inputs, class Y>
struct Pass {
  Y y;
  Inputs gradients;
};

template <template <class> class Inputs, class T>
auto pass_over(const Inputs<T>& inputs, const OpCase& c, const std::vector<double>& weights, auto&& op) {
  auto gradients = zeros_like(inputs);
  std::optional<Tape> tape;
  if (c.random) tape.emplace(*c.random);
  if (!c.random) tape.emplace();
  const auto recorded = tape->watch(inputs, gradients);
  const auto y = rows_of(op(recorded));
  tape->backward(weighted_sum(y, weights));
  using Y = std::remove_cvref_t<decltype(y.value())>;
  return Pass<Inputs<T>, Y>{Y(y.value()), std::move(gradients)};
}

template <class P>
void expect_same_bits(const P& a, const P& b, const std::string& what) {
  CHECK_MESSAGE(same_bits(a.y, b.y), what, ": the values differ");
  walk_tensors(
      [&](const Path& path, const auto& x, const auto& y) {
        CHECK_MESSAGE(same_bits(x, y), what, ": the gradients of ", path.text(), " differ");
      },
      a.gradients, b.gradients);
}

/// What holds for one type; gives its pass.
template <class T, template <class> class Inputs>
auto expect_op_of(const Inputs<double>& exact, const OpCase& c, const std::vector<double>& expected,
                  const std::vector<double>& weights, auto&& op) {
  const Inputs<T> inputs = cast<T>(exact);
  set_threads(1);
  auto pass = pass_over(inputs, c, weights, op);
  expect_close(text_of("value in ", dtype_name<T>), pass.y.span(), expected, rounding_bound<T>(c.terms));
  if (!c.random) {
    const auto plain = rows_of(op(inputs));
    CHECK_MESSAGE(same_bits(plain, pass.y), "the recorded op gives other bits than the plain one");
  }
  for (int threads : {2, 5}) {
    set_threads(threads);
    expect_same_bits(pass, pass_over(inputs, c, weights, op), text_of("1 and ", threads, " threads"));
  }
  set_threads(1);
  ++op_cases;
  return pass;
}

template <template <class> class Inputs>
void expect_op(const Inputs<double>& inputs, const OpCase& c, auto&& op, auto&& reference) {
  const std::string shapes = shapes_of(inputs);
  INFO(shapes);
  const std::vector<double> expected = reference(inputs);
  const auto weights = drawn_weights(expected.size());
  const auto single = expect_op_of<float>(inputs, c, expected, weights, op);
  const auto exact = expect_op_of<double>(inputs, c, expected, weights, op);
  walk_tensors(
      [&](const Path& path, const auto& s, const auto& d) {
        expect_close("gradient of " + path.text() + " in float", s.span(), d.span(),
                     rounding_bound<float>(c.backward_terms));
      },
      single.gradients, exact.gradients);
  if (count_parameters(inputs) == 0) return;  // nothing to move
  GradcheckOptions options;
  options.step = c.step, options.most = c.most;
  options.random_changes_value = c.random.has_value();
  if (c.random) options.random = *c.random;
  options.all_may_vanish = expected.empty();  // no rows: the gradient of a weight is zero
  const auto report = gradcheck(
      inputs, [&](const auto& m) { return weighted_sum(rows_of(op(m)), weights); }, options);
  CHECK_MESSAGE(report.ok(), report.text());
  for (const auto& p : report.parameters) CHECK(p.tried > 0);
}

}  // namespace test
