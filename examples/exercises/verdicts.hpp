/// The checker of the exercises. Each op stands in a small net, between a layer below and a layer above it, and every
/// weight's gradient is compared with difference quotients. Included after the ops, repaired or not.
///
///   for (const Verdict& v : check_exercises()) std::fputs(text_of(v).c_str(), stdout);
#pragma once
#include <cstdio>
#include <string>
#include <vector>

#include <quern/autograd/gradcheck.hpp>
#include <quern/ops/add.hpp>

namespace exercise {

using namespace quern;

template <class T>
struct Layer {
  Tensor<T, 2> weight;
  static void visit(auto&& f, auto&... m) { f("weight", m.weight...); }
};

/// below.weight + x → the op, which may use here.weight → + above.weight
template <class T>
struct Net {
  Layer<T> below, here, above;
  static void visit(auto&& f, auto&... m) { f("below", m.below...), f("here", m.here...), f("above", m.above...); }
};

/// Numbers of either sign, none of them near 0.
inline Matrix drawn(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  Matrix x(rows, columns);
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const double u = Random(seed).uniform(0, std::uint64_t(i));
    x.data()[i] = u < 0.5 ? -0.2 - 2 * u : u;
  }
  return x;
}

/// Σ y_i (i + 1) / 4 + y_i² / 2: a loss in which no two elements count alike. [R, C] → []
auto score(const auto& y) {
  const auto forward = [](const Matrix& v) {
    double sum = 0;
    for (std::int64_t i = 0; i < v.size(); ++i) sum += v.data()[i] * (double(i + 1) / 4 + v.data()[i] / 2);
    return Tensor<double, 0>::of(Shape<0>{}, {sum});
  };
  const auto backward = [](const Tensor<double, 0>& d, const Matrix& v) {
    Matrix dv = like(v);
    for (std::int64_t i = 0; i < v.size(); ++i) dv.data()[i] = d.item() * (double(i + 1) / 4 + v.data()[i]);
    return dv;
  };
  return custom_op("score", forward, backward, y);
}

struct Verdict {
  std::string file;
  GradcheckReport report;
};

/// What is said of one exercise: a line for each weight.
inline std::string text_of(const Verdict& v) {
  std::string text = v.file + (v.report.ok() ? ": correct\n" : ": WRONG\n");
  if (v.report.ok()) return text;
  for (const auto& p : v.report.parameters) {
    char line[200];
    if (p.ok)
      std::snprintf(line, sizeof line, "  %-13s agrees\n", p.name.c_str());
    else
      std::snprintf(line, sizeof line,
                    "  %-13s is off by %.0f %%; element %lld: backward says %.4g, the difference "
                    "quotient %.4g\n",
                    p.name.c_str(), 100 * p.error, static_cast<long long>(p.worst), p.analytic, p.numeric);
    text += line;
  }
  return text;
}

/// `op(x, net)` is the exercise's op; `here` its weight, of [0, 0] where it has none; `out` the extents of its result.
Verdict check_exercise(const char* file, const Matrix& here, Shape<2> out, auto&& op) {
  const Net<double> net{{drawn(4, 3, 1)}, {here}, {drawn(out[0], out[1], 3)}};
  const Matrix x = drawn(4, 3, 4);
  return {file,
          gradcheck(net, [&](const auto& m) { return score(add(op(add(x, m.below.weight), m), m.above.weight)); })};
}

/// What a student may repair; the ops of this folder as they stand.
struct Ops {
  decltype(&subtract_backward) subtract = subtract_backward;
  decltype(&add_bias_backward) add_bias = add_bias_backward;
  decltype(&linear_backward) linear = linear_backward;
  decltype(&relu_backward) relu = relu_backward;
  decltype(&mean_square_backward) mean_square = mean_square_backward;
  decltype(&exercise::normalise) normalise = exercise::normalise;
  decltype(&exercise::normalise_backward) normalise_backward = exercise::normalise_backward;
};

inline std::vector<Verdict> check_exercises(const Ops& ops = {}) {
  const Matrix none(0, 0);
  const Shape<2> same{4, 3};
  std::vector<Verdict> verdicts;
  verdicts.push_back(check_exercise("1_subtract.hpp", drawn(4, 3, 2), same, [&](const auto& x, const auto& m) {
    return custom_op("subtract", subtract, ops.subtract, x, m.here.weight);
  }));
  verdicts.push_back(check_exercise("2_bias.hpp", drawn(1, 3, 2), same, [&](const auto& x, const auto& m) {
    return custom_op("add_bias", add_bias, ops.add_bias, x, m.here.weight);
  }));
  verdicts.push_back(check_exercise("3_linear.hpp", drawn(3, 3, 2), same, [&](const auto& x, const auto& m) {
    return custom_op("linear", exercise::linear, ops.linear, x, m.here.weight);
  }));
  verdicts.push_back(check_exercise("4_relu.hpp", none, same, [&](const auto& x, const auto&) {
    return custom_op("relu", exercise::relu, ops.relu, x);
  }));
  verdicts.push_back(check_exercise("5_mean_square.hpp", none, {1, 1}, [&](const auto& x, const auto&) {
    return custom_op("mean_square", mean_square, ops.mean_square, x);
  }));
  verdicts.push_back(check_exercise("6_normalise.hpp", none, same, [&](const auto& x, const auto&) {
    Matrix running(1, 3);
    running.fill(1);
    const auto forward = [&](const Matrix& v) { return ops.normalise(v, running); };
    return custom_op("normalise", forward, ops.normalise_backward, x);
  }));
  return verdicts;
}

}  // namespace exercise
