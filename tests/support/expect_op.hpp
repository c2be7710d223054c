/// Everything an op must satisfy, in one call for one shape. The inputs are a struct with `visit`, in double:
///
///   template <class T> struct Inputs { Tensor<T, 2> a, b; static void visit(auto&& f, auto&... m) { … } };
///   expect_op(Inputs<double>{…}, {.terms = 1}, [](const auto& in) { return add(in.a, in.b); },
///             [](const Inputs<double>& in) { … a std::vector<double>, from the formula … });
///
/// For float, double and bf16: the value against the naive reference; the recorded value has the plain one's bits; the
/// same bits of values and gradients with 1, 2 and 5 threads. In double, every gradient against central differences; in
/// float, against that in double. The bounds follow from the number of terms in the longest sum: sums of n products of
/// numbers up to 1 err by about n/2 units of rounding, and eight times that is allowed.
///
/// For bf16 the inputs are rounded first, and the reference and the double gradients are those of the rounded inputs.
/// The error, as a norm, is at most twice that of the exact result rounded to bf16, plus a floor: what sums in float
/// and, where an op keeps values in bf16 on the way (`kept`), their rounding bring. `expect_op<false>` leaves bf16 out,
/// for inputs that differ from others in their rank alone: bodies exist once for each type, and each instantiation
/// costs seconds.
///
/// In a program for a GPU (or its emulator) the float and bf16 runs are on that device, twice, and must repeat bit for
/// bit; what they are compared with is the same. Central differences are the CPU program's task.
#pragma once
#include <doctest/doctest.h>

#include <cstdio>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <quern/autograd/gradcheck.hpp>
#include <quern/base/function_ref.hpp>
#include <quern/cpu/eigen.hpp>

#include "support/on_device.hpp"
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
  // For bf16: by how many times its rounding, 2^-9, an element errs for the values that the op keeps in bf16 on the way
  // to the value, and to the gradients. 0: the op rounds its results alone.
  double kept = 0, backward_kept = 0;
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

/// A pass as plain numbers, which double holds exactly for every type: what is checked about it is compiled once.
struct Outcome {
  struct Gradient {
    std::string name;
    std::vector<double> values;
  };
  std::vector<double> y, plain;  // of the recorded op, and of the plain one
  std::vector<Gradient> gradients;
};

template <class T, int Rank>
std::vector<double> numbers(const Tensor<T, Rank>& x) {
  const auto y = on_host(x);
  return {y.data(), y.data() + y.size()};
}

template <template <class> class Inputs, class T>
Outcome outcome_of(const Inputs<T>& inputs, const OpCase& c, const std::vector<double>& weights, auto&& op) {
  const auto pass = pass_over(inputs, c, weights, op);
  Outcome out;
  out.y = numbers(pass.y);
  if (!c.random) {
    const auto plain = rows_of(op(inputs));
    out.plain = numbers(plain);
  }
  walk_tensors(
      [&](const Path& path, const auto& g) {
        out.gradients.push_back({path.text(), numbers(g)});
      },
      pass.gradients);
  return out;
}

inline bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

/// What holds for every type: the plain op computes the recorded one's bits, and neither another run nor the threads
/// change them.
inline Outcome expect_repeatable(const std::string& type, bool draws, FunctionRef<Outcome()> run) {
  set_threads(1);
  Outcome first = run();
  CHECK_MESSAGE((draws || same_bits(first.plain, first.y)), type, ": the recorded op gives other bits than the plain");
  for (int threads : {2, 5}) {
    set_threads(threads);
    const Outcome again = run();
    CHECK_MESSAGE(same_bits(again.y, first.y), type, ": 1 and ", threads, " threads: the values differ");
    for (std::size_t i = 0; i < first.gradients.size(); ++i)
      CHECK_MESSAGE(same_bits(again.gradients[i].values, first.gradients[i].values), type, ": 1 and ", threads,
                    " threads: the gradients of ", first.gradients[i].name, " differ");
  }
  set_threads(1);
  ++op_cases;
  return first;
}

/// What holds for float and double.
inline void expect_near(const Outcome& single, const Outcome& exact, const OpCase& c,
                        const std::vector<double>& expected) {
  expect_close("value in float", single.y, expected, rounding_bound<float>(c.terms));
  expect_close("value in double", exact.y, expected, rounding_bound<double>(c.terms));
  for (std::size_t i = 0; i < exact.gradients.size(); ++i)
    expect_close("gradient of " + exact.gradients[i].name + " in float", single.gradients[i].values,
                 exact.gradients[i].values, rounding_bound<float>(c.backward_terms));
}

/// Of bf16 against what it should be in double; see the head of this file.
inline void expect_near_rounding(const std::string& what, const std::vector<double>& a,
                                 const std::vector<double>& exact, std::int64_t terms, double kept) {
  REQUIRE(a.size() == exact.size());
  double error = 0, naive = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double e = a[i] - exact[i], n = double(bf16(exact[i])) - exact[i];
    error += e * e, naive += n * n;
  }
  error = std::sqrt(error), naive = std::sqrt(naive);
  const double each = rounding_bound<float>(terms) + 2 * kept * 0x1p-9, floor = each * std::sqrt(double(a.size()));
  CHECK_MESSAGE(error <= 2 * naive + floor, what, " in bf16: error ", error, ", of a naive version ", naive, ", floor ",
                floor);
}

template <template <class> class Inputs>
void expect_op_in_bf16(Inputs<double> inputs, const OpCase& c, std::vector<double> weights, auto&& op,
                       auto&& reference) {
  const auto rounded = to(cast<bf16>(inputs), test_device());
  inputs = cast<double>(to(rounded, Device::cpu()));
  for (double& w : weights) w = bf16(w);
  const auto low = expect_repeatable("bf16", c.random.has_value(), [&] { return outcome_of(rounded, c, weights, op); });
  const auto high = outcome_of(inputs, c, weights, op);
  expect_near_rounding("value", low.y, reference(inputs), c.terms, c.kept);
  for (std::size_t i = 0; i < high.gradients.size(); ++i)
    expect_near_rounding("gradient of " + high.gradients[i].name, low.gradients[i].values, high.gradients[i].values,
                         c.backward_terms, c.backward_kept);
}

template <bool with_bf16 = true, template <class> class Inputs>
void expect_op(const Inputs<double>& inputs, const OpCase& c, auto&& op, auto&& reference) {
  const std::string shapes = shapes_of(inputs);
  INFO(shapes);
  const std::vector<double> expected = reference(inputs);
  const auto weights = drawn_weights(expected.size());
  const auto in_float = to(cast<float>(inputs), test_device());
  const bool draws = c.random.has_value();
  const auto single = expect_repeatable("float", draws, [&] { return outcome_of(in_float, c, weights, op); });
  const auto in_double = [&] { return outcome_of(inputs, c, weights, op); };
  const auto exact = has_cuda ? in_double() : expect_repeatable("double", draws, in_double);
  expect_near(single, exact, c, expected);
  if constexpr (with_bf16) expect_op_in_bf16(inputs, c, weights, op, reference);
  if constexpr (has_cuda) return;
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
