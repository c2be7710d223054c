#include <quern/ops/matmul.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"

using namespace test;

namespace {

template <class T>
struct Inputs {
  Tensor<T, 2> a, b;
  static void visit(auto&& f, auto&... m) { f("a", m.a...), f("b", m.b...); }
};

struct Product {
  std::int64_t m, n, k;
  Transpose a = Transpose::no, b = Transpose::no;

  Inputs<double> inputs() const {
    return {drawn(a == Transpose::no ? Shape{m, k} : Shape{k, m}, 1),
            drawn(b == Transpose::no ? Shape{k, n} : Shape{n, k}, 2)};
  }
  std::vector<double> naive(const Inputs<double>& in) const {
    std::vector<double> y;
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (std::int64_t l = 0; l < k; ++l)
          sum += (a == Transpose::no ? in.a(i, l) : in.a(l, i)) * (b == Transpose::no ? in.b(l, j) : in.b(j, l));
        y.push_back(sum);
      }
    return y;
  }
};

void expect_product(const Product& p, std::int64_t most = 0) {
  expect_op(
      p.inputs(), {.terms = p.k, .backward_terms = std::max(p.m, p.n), .most = most},
      [&](const auto& in) { return matmul(in.a, in.b, p.a, p.b); },
      [&](const Inputs<double>& in) { return p.naive(in); });
}

/// The inputs in T, on the device under test; double has no kernels and stays on the CPU.
template <class T>
auto under_test(const auto& inputs) {
  return to(cast<T>(inputs), std::is_same_v<T, double> ? Device::cpu() : test_device());
}
template <class T>
Tensor<T, 2> gradient(Shape<2> shape, const std::vector<double>& weights, Device device) {
  auto dy = Tensor<T, 2>::empty(shape);
  for (std::int64_t i = 0; i < dy.size(); ++i) dy.data()[i] = T(weights[std::size_t(i)]);
  return dy.to(device);
}

constexpr Transpose both[] = {Transpose::no, Transpose::yes};

}  // namespace

TEST_CASE("matmul, either operand transposed") {
  for (auto a : both)
    for (auto b : both) {
      for (auto [m, n, k] : {std::array{0, 3, 2}, {3, 0, 2}, {3, 2, 0}, {1, 1, 1}, {1, 9, 4}, {9, 1, 4}, {5, 7, 9}})
        expect_product({m, n, k, a, b});
      expect_product({33, 17, 65, a, b}, 12);
      expect_product({130, 70, 64, a, b}, 6);
    }
}

TEST_CASE("matmul: a matrix by itself, and by its own transpose") {
  for (auto b : both)
    expect_op(
        Inputs<double>{drawn(Shape{6, 6}, 1), drawn(Shape{6, 6}, 2)},
        {.terms = 12, .backward_terms = 24, .kept = 4, .backward_kept = 8},
        [&](const auto& in) { return matmul(matmul(in.a, in.a, Transpose::no, b), in.b); },
        [&](const Inputs<double>& in) {
          const Product p{6, 6, 6, Transpose::no, b}, q{6, 6, 6};
          const auto square = p.naive({in.a, in.a});
          return q.naive({Tensor<double, 2>::of({6, 6}, square), in.b});
        });
}

TEST_CASE_TEMPLATE("matmul: backward as a function gives the tape's gradients", T, float, double) {
  for (auto a : both)
    for (auto b : both) {
      const auto in = under_test<T>(Product{4, 3, 5, a, b}.inputs());
      const auto dy = gradient<T>({4, 3}, drawn_weights(12), in.a.device());
      const auto [y, saved] = matmul_forward(in.a, in.b, a, b);
      const auto d = matmul_backward(dy, in.a, in.b, saved);
      const auto tape =
          pass_over(in, {}, drawn_weights(12), [a = a, b = b](const auto& m) { return matmul(m.a, m.b, a, b); });
      CHECK(same_bits(y, tape.y));
      CHECK(same_bits(d.a, tape.gradients.a));
      CHECK(same_bits(d.b, tape.gradients.b));
    }
}

TEST_CASE_TEMPLATE("matmul: one operand may be a constant", T, float, double) {
  const auto in = under_test<T>(Product{4, 3, 5}.inputs());
  const auto both_recorded = pass_over(in, {}, drawn_weights(12), [](const auto& m) { return matmul(m.a, m.b); });
  Tensor<T, 2> da({4, 5}, in.a.device()), db({5, 3}, in.a.device());
  Tape one, other;
  one.backward(weighted_sum(matmul(one.watch(in.a, da), in.b), drawn_weights(12)));
  other.backward(weighted_sum(matmul(in.a, other.watch(in.b, db)), drawn_weights(12)));
  CHECK(same_bits(da, both_recorded.gradients.a));
  CHECK(same_bits(db, both_recorded.gradients.b));
}

TEST_CASE("matmul refuses inner extents that differ") {
  Inputs<float> m{Tensor<float, 2>(3, 4), Tensor<float, 2>(5, 6)};
  name_parameters(m);
  expect_invalid([&] { (void)matmul(m.a, m.b); },
                 {"matmul: ", "a (a) is [3, 4] float", "b (b) is [5, 6] float", "4 and 5"});
  expect_invalid([&] { (void)matmul(m.a, m.b, Transpose::yes); }, {"matmul: ", "(transposed)", "3 and 5"});
  expect_invalid([&] { (void)matmul(m.a, m.b, Transpose::no, Transpose::yes); },
                 {"matmul: ", "(transposed)", "4 and 6"});
  Tape tape;
  auto grads = zeros_like(m);
  const auto r = tape.watch(m, grads);
  expect_invalid([&] { (void)matmul(r.a, r.b); }, {"matmul: ", "a (a) is [3, 4] float", "b (b) is [5, 6] float"});
}
