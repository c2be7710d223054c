/// gradcheck is trusted because it is seen to fail: ops with planted bugs, each found and named.
#include <quern/autograd/gradcheck.hpp>
#include <quern/cpu/eigen.hpp>

#include <doctest/doctest.h>

#include <limits>

#include <quern/ops/dropout.hpp>
#include <quern/ops/linear.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/weighted_sum.hpp"

using namespace test;

namespace {

template <class T>
struct Model {
  Tensor<T, 2> weight;
  Tensor<T, 1> bias;
  static void visit(auto&& f, auto&... m) { f("weight", m.weight...), f("bias", m.bias...); }
};

enum class Bug { none, sign, missing_sum, all_zero, not_reached, nan, one_element, other_value };

/// The same as linear(x, weight, bias), of rows x [4, 3], with one mistake in its backward pass.
struct Faulty {
  Bug bug;
  Tensor<double, 2> x = drawn(Shape{4, 3}, 9);

  Tensor<double, 2> operator()(const Tensor<double, 2>& weight, const Tensor<double, 1>& bias) const {
    return linear(x, weight, bias);
  }

  Tensor<Recorded<double>, 2> operator()(const Tensor<Recorded<double>, 2>& weight,
                                         const Tensor<Recorded<double>, 1>& bias) const {
    auto y = linear(x, weight.value(), bias.value());
    if (bug == Bug::other_value) y(0, 0) += 1e-9;
    auto backward = [weight, bias, bug = bug, x = x](Tape& tape, const Tensor<double, 2>& dy) {
      if (bug != Bug::not_reached) tape.add(weight, weight_gradient(bug, dy, x));
      tape.add(bias, bias_gradient(bug, dy));
    };
    return Tape::record("faulty", std::move(y), std::move(backward), weight, bias);
  }

 private:
  static Tensor<double, 2> weight_gradient(Bug bug, const Tensor<double, 2>& dy, const Tensor<double, 2>& x) {
    auto dweight = linear_backward_weight(dy, x);
    if (bug == Bug::sign)
      for (auto& g : dweight.span()) g = -g;
    if (bug == Bug::all_zero) dweight.fill(0);
    if (bug == Bug::nan) dweight(1, 2) = std::numeric_limits<double>::quiet_NaN();
    if (bug == Bug::one_element) dweight(1, 2) += 1e-3;
    return dweight;
  }
  static Tensor<double, 1> bias_gradient(Bug bug, const Tensor<double, 2>& dy) {
    auto dbias = linear_backward_bias(dy);
    if (bug == Bug::missing_sum)  // the last row alone
      for (std::int64_t c = 0; c < dbias.size(); ++c) dbias(c) = dy(dy.extent(0) - 1, c);
    return dbias;
  }
};

GradcheckReport report_of(Bug bug) {
  const Faulty op{bug};
  return gradcheck(Model<double>{drawn(Shape{2, 3}, 1), drawn(Shape{2}, 2)},
                   [&](const auto& m) { return weighted_sum(op(m.weight, m.bias), drawn_weights(8)); });
}

/// The report finds fault with `name` alone.
void expect_fault(const GradcheckReport& report, const std::string& name, const std::string& why) {
  CHECK_FALSE(report.ok());
  for (const auto& p : report.parameters) CHECK_MESSAGE(p.ok == (p.name != name), p.name);
  expect_message(report.text(), {"gradcheck: " + name + ": " + why});
}

}  // namespace

TEST_CASE("gradcheck passes a right gradient") {
  const auto report = report_of(Bug::none);
  CHECK(report.ok());
  CHECK(report.text().empty());
  REQUIRE(report.parameters.size() == 2);
  CHECK(report.parameters[0].name == "weight");
  CHECK(report.parameters[0].tried == 6);
  CHECK(report.parameters[1].tried == 2);
  CHECK(report.largest_error() < 1e-8);
}

TEST_CASE("gradcheck finds a wrong sign") {
  const auto report = report_of(Bug::sign);
  expect_fault(report, "weight", "relative error 2");
  CHECK(report.parameters[0].analytic == doctest::Approx(-report.parameters[0].numeric));
}

TEST_CASE("gradcheck finds a missing sum over rows") {
  expect_fault(report_of(Bug::missing_sum), "bias", "relative error");
}

TEST_CASE("gradcheck finds an all-zero gradient") {
  const auto report = report_of(Bug::all_zero);
  expect_fault(report, "weight", "relative error 1; element");
  CHECK(report.parameters[0].analytic == 0);
  CHECK_FALSE(report.parameters[0].vanishes);
}

TEST_CASE("gradcheck finds a parameter that no gradient reaches") {
  expect_fault(report_of(Bug::not_reached), "weight", "no gradient reached it");
}

TEST_CASE("gradcheck finds a NaN, and says where") {
  const auto report = report_of(Bug::nan);
  expect_fault(report, "weight", "relative error");
  CHECK(report.parameters[0].worst == 5);
  CHECK_FALSE(report.largest_error() <= 1);
}

TEST_CASE("gradcheck finds the one element that is wrong") {
  const auto report = report_of(Bug::one_element);
  expect_fault(report, "weight", "relative error");
  CHECK(report.parameters[0].worst == 5);
  CHECK(report.parameters[0].analytic - report.parameters[0].numeric == doctest::Approx(1e-3));
}

TEST_CASE("gradcheck finds a recorded op whose value is not the plain one's") {
  const auto report = report_of(Bug::other_value);
  CHECK_FALSE(report.ok());
  CHECK_FALSE(report.value_agrees);
  expect_message(report.text(), {"computes another value"});
}

TEST_CASE("gradcheck refuses to pass where nothing was tested") {
  const Tensor<double, 2> zeros(4, 3);
  const Model<double> model{drawn(Shape{2, 3}, 1), drawn(Shape{2}, 2)};
  auto loss = [&](const auto& m) { return weighted_sum(linear(zeros, m.weight, m.bias), drawn_weights(8)); };
  const auto report = gradcheck(model, loss);
  expect_fault(report, "weight", "its gradient is zero everywhere, so nothing was tested");
  CHECK(gradcheck(model, loss, {.all_may_vanish = true}).ok());
  auto of_a_constant = [&](const auto& m) { return weighted_sum(linear(zeros, m.weight, m.bias), {}); };
  const auto empty = gradcheck(Model<double>{Tensor<double, 2>(0, 3), {}}, of_a_constant);
  CHECK_FALSE(empty.ok());
  expect_message(empty.text(), {"no parameters"});
}

TEST_CASE("gradcheck tries as many elements as it is told, evenly spread") {
  const auto x = drawn(Shape{5, 20}, 3);
  const auto report = gradcheck(
      Model<double>{drawn(Shape{10, 20}, 1), drawn(Shape{10}, 2)},
      [&](const auto& m) { return weighted_sum(linear(x, m.weight, m.bias), drawn_weights(50)); }, {.most = 20});
  CHECK(report.ok());
  CHECK(report.parameters[0].tried == 20);
  CHECK(report.parameters[1].tried == 10);
}

TEST_CASE("gradcheck holds the mask of dropout still, and says when the plain value should differ") {
  const auto x = drawn(Shape{5, 20}, 3);
  const Model<double> model{drawn(Shape{10, 20}, 1), drawn(Shape{10}, 2)};
  auto loss = [&](const auto& m) { return weighted_sum(dropout(linear(x, m.weight, m.bias), 0.5), drawn_weights(50)); };
  CHECK(gradcheck(model, loss, {.random_changes_value = true}).ok());
  CHECK_FALSE(gradcheck(model, loss).value_agrees);
}
