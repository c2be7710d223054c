#include <quern/autograd/tape.hpp>
#include <quern/cpu/eigen.hpp>

#include <doctest/doctest.h>

#include <quern/autograd/gradcheck.hpp>
#include <quern/ops/add.hpp>
#include <quern/ops/dropout.hpp>
#include <quern/ops/embedding.hpp>
#include <quern/ops/linear.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/weighted_sum.hpp"

using namespace test;

namespace {

template <class T>
struct Layer {
  Tensor<T, 2> weight;
  Tensor<T, 1> bias;
  static void visit(auto&& f, auto&... m) { f("weight", m.weight...), f("bias", m.bias...); }
};

template <class T>
struct Two {
  Layer<T> first, second;
  double scale = 1;
  static void visit(auto&& f, auto&... m) { f("first", m.first...), f("second", m.second...), f("scale", m.scale...); }
  auto operator()(const auto& x) const {
    return linear(linear(x, first.weight, first.bias, Activation::relu), second.weight, second.bias);
  }
};

Two<double> two() {
  return {{drawn(Shape{5, 3}, 1), drawn_bias(5, 2)}, {drawn(Shape{2, 5}, 3), drawn(Shape{2}, 4)}, 3};
}
const auto weights = drawn_weights(8);

bool all_zero(const auto& x) {
  for (auto v : x.span())
    if (v != 0) return false;
  return true;
}

}  // namespace

TEST_CASE("a recorded model has the plain one's settings, values and names of parameters") {
  const auto model = two();
  auto grads = zeros_like(model);
  Tape tape;
  const auto recorded = tape.watch(model, grads);
  CHECK(recorded.scale == 3);
  CHECK(recorded.first.weight.value().data() == model.first.weight.data());
  const auto x = drawn(Shape{4, 3}, 5);
  const auto y = recorded(x);
  CHECK(same_bits(y.value(), model(x)));
  CHECK(tape.size() == 2);
  CHECK(std::string(tape.next_op()) == "linear");
  CHECK(all_zero(grads.first.weight));
}

TEST_CASE("gradients are added to what is there") {
  const auto model = two();
  const auto x = drawn(Shape{4, 3}, 5);
  auto once = zeros_like(model), twice = zeros_like(model);
  auto pass = [&](auto& grads) {
    Tape tape;
    tape.backward(weighted_sum(tape.watch(model, grads)(x), weights));
    CHECK(tape.without_gradient().empty());
  };
  pass(once), pass(twice), pass(twice);
  walk_tensors(
      [](const Path& path, const auto& one, const auto& two) {
        CHECK_FALSE(all_zero(one));
        for (std::int64_t i = 0; i < one.size(); ++i) CHECK_MESSAGE(two.data()[i] == 2 * one.data()[i], path.text());
      },
      once, twice);
}

TEST_CASE("a weight used twice, by itself and through others gets every part of its gradient") {
  const Layer<double> square{drawn(Shape{4, 4}, 1), drawn(Shape{4}, 2)};
  const auto x = drawn(Shape{2, 4}, 3);
  auto check = [&](auto&& loss) {
    const auto report = gradcheck(square, loss);
    CHECK_MESSAGE(report.ok(), report.text());
  };
  check([&](const auto& m) { return weighted_sum(linear(linear(x, m.weight, m.bias), m.weight, m.bias), weights); });
  check([&](const auto& m) {
    return weighted_sum(linear(matmul(m.weight, m.weight), m.weight, m.bias), drawn_weights(16));
  });
  check([&](const auto& m) {
    const auto gram = matmul(m.weight, m.weight, Transpose::yes);
    return weighted_sum(linear(add(gram, gram), m.weight, m.bias), drawn_weights(16));
  });
}

TEST_CASE("a table read by embedding and multiplied with (tied weights) gets both gradients, in either order") {
  const Layer<double> tied{drawn(Shape{6, 4}, 1), drawn(Shape{6}, 2)};
  const auto ids = Tensor<std::int32_t, 1>::of({3}, {1, 4, 1});
  const auto report = gradcheck(tied, [&](const auto& m) {
    return weighted_sum(linear(embedding(ids, m.weight), m.weight, m.bias), drawn_weights(18));
  });
  CHECK_MESSAGE(report.ok(), report.text());
  auto grads = zeros_like(tied);
  for (int pass = 0; pass < 2; ++pass) {  // the second begins with a gradient that an optimizer would have cleared
    Tape tape;
    const auto m = tape.watch(tied, grads);
    const auto y = linear(drawn(Shape{3, 4}, 3), m.weight, m.bias);
    const auto sum = add(matmul(y, m.weight), embedding(ids, m.weight));
    tape.backward(weighted_sum(sum, drawn_weights(12)));
    CHECK_FALSE(is_row_sparse(grads.weight));
    CHECK_FALSE(all_zero(grads.weight));
    zero(grads.weight), zero(grads.bias);
    CHECK(all_zero(grads.weight));
    CHECK(is_row_sparse(grads.weight));
  }
}

TEST_CASE("a product of two parameters") {
  const Two<double> model = two();
  const auto report = gradcheck(model, [&](const auto& m) {
    const auto product = matmul(m.second.weight, m.first.weight);  // [2, 5] [5, 3]
    const auto biases = linear(m.first.bias, m.second.weight, m.second.bias);
    return add(weighted_sum(product, drawn_weights(6)), weighted_sum(biases, drawn_weights(2)));
  });
  CHECK_MESSAGE(report.ok(), report.text());
}

TEST_CASE("what a rule does not train is a constant: nothing is recorded for it, and the rest is as before") {
  const auto model = two();
  const auto x = drawn(Shape{4, 3}, 5);
  auto all = zeros_like(model);
  Tape full;
  full.backward(weighted_sum(full.watch(model, all)(x), weights));

  auto only_second = [](const std::string& path) { return ParameterOptions{.train = path.starts_with("second")}; };
  auto grads = zeros_like(model, only_second);
  CHECK_FALSE(bool(grads.first.weight.storage()));
  Tape tape;
  tape.backward(weighted_sum(tape.watch(model, grads, only_second)(x), weights));
  CHECK(tape.without_gradient().empty());
  CHECK_FALSE(bool(grads.first.weight.storage()));
  CHECK(same_bits(grads.second.weight, all.second.weight));
  CHECK(same_bits(grads.second.bias, all.second.bias));

  Tape probe;
  const auto recorded = probe.watch(model, grads, only_second);
  (void)linear(x, recorded.first.weight, recorded.first.bias);
  CHECK(probe.size() == 0);

  auto only_first = [](const std::string& path) { return ParameterOptions{.train = path.starts_with("first")}; };
  auto others = zeros_like(model, only_first);
  Tape through;
  through.backward(weighted_sum(through.watch(model, others, only_first)(x), weights));
  CHECK(same_bits(others.first.weight, all.first.weight));

  auto none = [](const std::string&) { return ParameterOptions{.train = false}; };
  auto nothing = zeros_like(model, none);
  Tape frozen;
  const auto loss = weighted_sum(frozen.watch(model, nothing, none)(x), weights);
  expect_message(message_of<InvalidArgument>([&] { frozen.backward(loss); }), {"backward: the loss was not computed"});
}

TEST_CASE("parameters that no gradient reached are listed by name") {
  const auto model = two();
  auto grads = zeros_like(model);
  Tape tape;
  const auto m = tape.watch(model, grads);
  (void)m(drawn(Shape{4, 3}, 5));  // computed, but not part of the loss
  tape.backward(weighted_sum(linear(drawn(Shape{4, 3}, 5), m.first.weight, m.first.bias), drawn_weights(20)));
  CHECK(tape.without_gradient() == std::vector<std::string>{"second.weight", "second.bias"});
  CHECK(all_zero(grads.second.weight));
  CHECK_FALSE(all_zero(grads.first.weight));
}

TEST_CASE("a layer without bias has nothing that a gradient could miss") {
  const Layer<double> model{drawn(Shape{2, 3}, 1), Tensor<double, 1>(0)};
  auto grads = zeros_like(model);
  Tape tape;
  const auto m = tape.watch(model, grads);
  tape.backward(weighted_sum(linear(drawn(Shape{4, 3}, 5), m.weight, m.bias), weights));
  CHECK(tape.without_gradient().empty());
}

TEST_CASE("a tape serves one pass, and only its own tensors") {
  const auto model = two();
  auto grads = zeros_like(model);
  Tape tape, other;
  const auto m = tape.watch(model, grads);
  const auto n = other.watch(model, grads);
  const auto x = drawn(Shape{4, 3}, 5);
  expect_message(message_of<InvalidArgument>([&] { (void)linear(x, m.first.weight, n.first.bias); }),
                 {"linear: ", "different tapes"});
  const auto loss = weighted_sum(m(x), weights);
  expect_message(message_of<InvalidArgument>([&] { other.backward(loss); }), {"backward: the loss was not computed"});
  expect_message(message_of<InvalidArgument>([&] {
                   (void)linear(x, Tensor<Recorded<double>, 2>{model.first.weight, nullptr, -1}, model.first.bias);
                 }),
                 {"linear: an argument is recorded but was never watched"});
  tape.backward(loss);
  expect_message(message_of<InvalidArgument>([&] { tape.backward(loss); }), {"backward: this tape was already walked"});
}

TEST_CASE("watch refuses gradients of another shape") {
  const auto model = two();
  auto grads = zeros_like(model);
  grads.first.weight = Tensor<double, 2>(3, 5);
  Tape tape;
  expect_message(message_of<InvalidArgument>([&] { (void)tape.watch(model, grads); }),
                 {"watch: the gradient of first.weight is [3, 5], the parameter [5, 3]", "zeros_like"});
}

TEST_CASE("the tape can be walked node by node") {
  const auto model = two();
  auto grads = zeros_like(model);
  Tape tape(Random{1});
  const auto m = tape.watch(model, grads);
  const auto loss = weighted_sum(dropout(m(drawn(Shape{4, 3}, 5)), 0.1), weights);
  CHECK(tape.size() == 4);
  tape.begin_backward(loss);
  std::vector<std::string> ops;
  while (tape.size()) {
    ops.push_back(tape.next_op());
    CHECK(tape.step_back());
    CHECK(all_zero(grads.second.weight) == (ops.size() < 3));
    CHECK(all_zero(grads.first.weight) == (ops.size() < 4));
  }
  CHECK(ops == std::vector<std::string>{"weighted_sum", "dropout", "linear", "linear"});
  CHECK_FALSE(tape.step_back());
  CHECK(std::string(tape.next_op()).empty());
}

TEST_CASE("what a node kept, and the gradient it used, are given back as soon as it has run") {
  Pool::instance().trim();  // larger blocks, free since earlier tests, would stand for small tensors and count in full
  const Tensor<float, 2> x(100, 100), weight(100, 100);
  const Tensor<float, 1> none;
  constexpr std::size_t one = 40'000;  // bytes of one such matrix, and less than the smallest block that holds it
  Tensor<float, 2> dx(100, 100);
  const auto before = pool_stats().live_bytes;
  Tape tape;
  {
    auto h = tape.watch(x, dx);
    for (int layer = 0; layer < 10; ++layer) h = linear(h, weight, none, Activation::relu);
    const auto loss = weighted_sum(h, std::vector<double>(10'000, 1.0));
    tape.begin_backward(loss);
  }
  CHECK(pool_stats().live_bytes >= before + 10 * one);
  std::size_t largest = 0;
  for (auto left = tape.size(); tape.step_back(); left = tape.size())
    largest = std::max(largest, pool_stats().live_bytes - std::min(pool_stats().live_bytes, before + left * one));
  CHECK(largest <= 4 * one);  // one gradient and what little stands around it, never those of all layers
  CHECK(pool_stats().live_bytes == before);
}

TEST_CASE("a scalar parameter needs a gradient with memory") {
  const auto x = Tensor<float, 0>::of(Shape<0>{}, {2});
  Tensor<float, 0> nothing;
  Tape tape;
  CHECK_THROWS_AS(tape.watch(x, nothing), InvalidArgument);
}
