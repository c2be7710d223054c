#include <quern/ops/concat.hpp>

#include <quern/ops/relu.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"

using namespace test;

namespace {

template <class T>
struct Parts {
  std::vector<Tensor<T, 2>> parts;
  static void visit(auto&& f, auto&... m) { f("parts", m.parts...); }
};

Parts<double> parts(std::int64_t rows, const std::vector<std::int64_t>& widths) {
  Parts<double> out;
  for (auto w : widths) out.parts.push_back(drawn_off_zero(Shape{rows, w}, std::uint32_t(out.parts.size())));
  return out;
}

const auto op = [](const auto& in) { return concat(in.parts); };
const auto naive = [](const Parts<double>& in) {
  std::vector<double> y;
  for (std::int64_t r = 0; r < in.parts[0].extent(0); ++r)
    for (const auto& p : in.parts)
      for (std::int64_t c = 0; c < p.extent(1); ++c) y.push_back(p(r, c));
  return y;
};

}  // namespace

TEST_CASE("concat") {
  expect_op(parts(1, {1}), {}, op, naive);
  expect_op(parts(0, {2, 3}), {}, op, naive);
  expect_op(parts(3, {0, 2, 0, 1}), {}, op, naive);
  expect_op(parts(7, {3, 1, 17}), {}, op, naive);
  expect_op(parts(100, {40, 33, 27}), {.most = 20}, op, naive);
}

TEST_CASE("concat of a function of each element") {
  expect_op(
      parts(5, {3, 4}), {}, [](const auto& in) { return concat(in.parts, [](const auto& p) { return relu(p); }); },
      [](const Parts<double>& in) {
        auto y = naive(in);
        for (auto& v : y) v = v > 0 ? v : 0;
        return y;
      });
}

TEST_CASE("concat: the same tensor twice gets both gradients") {
  expect_op(
      parts(4, {3}), {.backward_terms = 2},
      [](const auto& in) {
        return concat(std::vector{in.parts[0], in.parts[0]});
      },
      [](const Parts<double>& in) {
        return naive({{in.parts[0], in.parts[0]}});
      });
}

TEST_CASE("concat: backward as a function gives the tape's gradients") {
  const auto in = parts(4, {3, 2});
  const auto [y, saved] = concat_forward(in.parts);
  const auto d = concat_backward(Tensor<double, 2>::of({4, 5}, drawn_weights(20)), saved);
  const auto tape = pass_over(in, {}, drawn_weights(20), op);
  CHECK(same_bits(y, tape.y));
  REQUIRE(d.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) CHECK(same_bits(d[i], tape.gradients.parts[i]));
}

TEST_CASE("concat: more parts than a launch takes, and an empty one, which may be anywhere") {
  auto in = parts(5, {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2});
  expect_op(in, {.most = 3}, op, naive);
  std::vector<Tensor<float, 2>> some{Tensor<float, 2>(2, 0), on_device(Tensor<float, 2>::of({2, 1}, {1, 2}))};
  const auto [y, saved] = concat_forward(some);
  CHECK(y.device() == some[1].device());
  CHECK(same_bits(y, some[1]));
  CHECK(same_bits(concat_backward(y, saved)[1], y));
}

TEST_CASE("concat refuses parts of different heights, and no parts") {
  Parts<float> in{{Tensor<float, 2>(3, 2), Tensor<float, 2>(4, 2)}};
  name_parameters(in);
  expect_invalid([&] { (void)concat(in.parts); },
                 {"concat: ", "a part (parts.1) is [4, 2] float", "the first (parts.0) is [3, 2] float"});
  expect_invalid([&] { (void)concat(std::vector<Tensor<float, 2>>{}); }, {"concat: no parts"});
  Tape tape;
  auto grads = zeros_like(in);
  const auto r = tape.watch(in, grads);
  expect_invalid([&] { (void)concat(r.parts); }, {"concat: ", "a part (parts.1) is [4, 2] float"});
}
