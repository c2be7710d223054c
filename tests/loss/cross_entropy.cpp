#include <quern/cpu/eigen.hpp>
#include <quern/loss/cross_entropy.hpp>

#include <cmath>

#include "goldens/losses_and_optimizers.hpp"
#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"
#include "support/number_of.hpp"

using namespace test;

namespace {

template <class T>
struct Inputs {
  Tensor<T, 2> logits;
  static void visit(auto&& f, auto&... m) { f("logits", m.logits...); }
};

struct Loss {
  Ids labels;
  std::vector<double> weights;  // empty: all 1
  double smoothing = 0;

  template <class T>
  CrossEntropyOptions<T> options() const {
    Tensor<T, 1> w(weights.size());
    for (std::size_t i = 0; i < weights.size(); ++i) w(i) = T(weights[i]);
    return {std::move(w), smoothing};
  }
  template <class X>
  auto operator()(const Tensor<X, 2>& logits) const {
    auto o = options<number_of<X>>();
    o.class_weights = beside(logits, o.class_weights);
    return cross_entropy(logits, beside(logits, labels), o);
  }

  /// By the definition, for logits whose exponentials are finite.
  double naive(const Tensor<double, 2>& logits) const {
    const std::int64_t classes = logits.extent(1);
    auto weight = [&](std::int64_t c) { return weights.empty() ? 1 : weights[std::size_t(c)]; };
    double loss = 0, total = 0;
    for (std::int64_t b = 0; b < logits.extent(0); ++b) {
      double sum = 0;
      for (std::int64_t c = 0; c < classes; ++c) sum += std::exp(logits(b, c));
      auto surprise = [&](std::int64_t c) { return -std::log(std::exp(logits(b, c)) / sum); };
      loss += (1 - smoothing) * weight(labels(b)) * surprise(labels(b));
      for (std::int64_t c = 0; c < classes; ++c) loss += smoothing / double(classes) * weight(c) * surprise(c);
      total += weight(labels(b));
    }
    return loss / total;
  }
};

void expect_loss(const Loss& loss, std::int64_t classes, std::int64_t most = 0, double step = 1e-6) {
  const std::int64_t rows = loss.labels.size();
  expect_op(
      Inputs<double>{drawn(Shape{rows, classes}, 1)},
      {.terms = rows + classes / 64, .backward_terms = 8, .most = most, .step = step},
      [&](const auto& in) { return loss(in.logits); },
      [&](const Inputs<double>& in) { return std::vector<double>{loss.naive(in.logits)}; });
}

std::vector<double> weights_of(std::int64_t classes) {
  std::vector<double> weights;
  for (auto w : drawn_weights(std::size_t(classes)))
    weights.push_back(bf16(std::abs(w)));  // the same number in every type
  return weights;
}

}  // namespace

TEST_CASE("cross_entropy, with and without class weights and label smoothing") {
  for (bool weighted : {false, true})
    for (double smoothing : {0.0, 0.1, 0.9})
      for (auto [rows, classes] : {std::array{1, 2}, {3, 2}, {7, 5}, {5, 17}, {33, 64}}) {
        const auto weights = weighted ? weights_of(classes) : std::vector<double>{};
        expect_loss({drawn_ids(rows, classes, 1), weights, smoothing}, classes, 200);
      }
  // Rows of every kind of kernel: a warp's and a block's registers, in packs and not, and none. Small gradients, as
  // below.
  for (int classes : {300, 1024, 1100, 1101, 16'401})
    for (double smoothing : {0.0, 0.1})
      expect_loss({drawn_ids(3, classes, 1), weights_of(classes), smoothing}, classes, 12, 1e-3);
  // Over several chunks. A gradient here is a thousandth of the loss: a longer step keeps its digits.
  expect_loss({drawn_ids(900, 21, 1), weights_of(21), 0.1}, 21, 12, 5e-4);
}

TEST_CASE_TEMPLATE("cross_entropy is PyTorch's, extreme logits included", T,
                   std::conditional_t<has_cuda, float, double>, float) {
  auto logits = Tensor<T, 2>::empty({4, 3});
  std::copy(goldens::logits.begin(), goldens::logits.end(), logits.data());
  const double tolerance = std::is_same_v<T, double> ? 1e-13 : 1e-6;
  REQUIRE(goldens::losses.size() == 8);
  for (const auto& golden : goldens::losses) {
    const std::vector<std::int32_t> labels(golden.labels.begin(), golden.labels.end());
    const Loss loss{Ids::of({4}, labels), golden.weighted ? goldens::class_weights : std::vector<double>{},
                    golden.smoothing};
    const Inputs<T> in{on_device(logits)};
    auto dlogits = zeros_like(in);
    Tape tape;
    const auto value = loss(tape.watch(in, dlogits).logits);
    tape.backward(value);
    CHECK(double(value.item()) == doctest::Approx(golden.loss).epsilon(tolerance));
    expect_close("gradient", numbers(dlogits.logits), golden.gradient, tolerance);
  }
}

TEST_CASE_TEMPLATE("cross_entropy stays finite at the ends, and knows a sure right answer from a sure wrong one", T,
                   float, SecondNumber) {
  const auto logits = on_device<T>(Shape{1, 2}, {8192, -8192});  // of bf16 too
  const auto zero = on_device(Ids::of({1}, {0})), one = on_device(Ids::of({1}, {1}));
  CHECK(cross_entropy(logits, zero).item() == 0);
  CHECK(cross_entropy(logits, one).item() == 16'384);
  const auto saved = cross_entropy_forward(logits, one).saved;
  CHECK(same_bits(cross_entropy_backward(on_device<T>(Shape<0>{}, {2}), saved), on_device<T>(Shape{1, 2}, {2, -2})));
  CHECK(std::isnan(double(cross_entropy(on_device<T>(Shape{1, 2}, {0, NAN}), zero).item())));
}

TEST_CASE_TEMPLATE("with one class nothing surprises", T, float, SecondNumber) {
  const auto logits = on_device<T>(Shape{3, 1}, {1, -2, 3});
  CHECK(Loss{Ids(3), {2.0}, 0.3}(logits).item() == 0);
  const auto saved = cross_entropy_forward(logits, on_device(Ids(3)), {on_device<T>(Shape{1}, {2}), 0.25}).saved;
  const auto d = cross_entropy_backward(on_device<T>(Shape<0>{}, {1}), saved);
  for (auto v : numbers(d)) CHECK(v == 0);
}

TEST_CASE("cross_entropy on a GPU finds wrong labels and weights itself, and says so when it is waited for") {
  if (!has_cuda) return;
  const auto logits = on_device(Tensor<float, 2>(2, 3));
  auto message = [&](std::initializer_list<std::int32_t> labels, std::initializer_list<double> weights) {
    const auto w = on_device<float>(Shape{std::int64_t(weights.size())}, weights);
    const auto f = cross_entropy_forward(logits, on_device(Ids::of({2}, labels)), {w.share(), 0});
    (void)cross_entropy_backward(f.loss, f.saved);  // touches nothing it should not
    return message_of<InvalidArgument>([&] { (void)f.loss.item(); });
  };
  CHECK(message({0, 2}, {}) == "");
  expect_message(message({0, 3}, {}), {"cross_entropy: label 3 of text 1", "3 classes", "0 to 2"});
  expect_message(message({-1, 0}, {}), {"cross_entropy: label -1 of text 0"});
  expect_message(message({0, 2}, {1, -1, 1}), {"cross_entropy: the weight of class 1 is -1", "at least 0"});
  expect_message(message({0, 2}, {1, 1, NAN}), {"cross_entropy: the weight of class 2 is nan"});
  expect_message(message({0, 2}, {0, 1, 0}), {"cross_entropy: the classes of this batch all have weight 0"});
  CHECK(message({0, 2}, {1, 0, 1}) == "");
}

TEST_CASE("cross_entropy refuses labels, weights, smoothing and batches that make no sense") {
  Inputs<float> in{Tensor<float, 2>(2, 3)};
  name_parameters(in);
  const Ids labels = Ids::of({2}, {0, 2});
  expect_invalid(
      [&] {
        (void)cross_entropy(in.logits, Ids::of({2}, {0, 3}));
      },
      {"cross_entropy: label 3 of text 1", "3 classes", "0 to 2"});
  expect_invalid([&] { (void)cross_entropy(in.logits, Ids::of({2}, {-1, 0})); }, {"cross_entropy: label -1 of text 0"});
  expect_invalid([&] { (void)cross_entropy(in.logits, Ids(3)); },
                 {"cross_entropy: ", "logits (logits) is [2, 3] float", "labels is [3] int32", "expected 2 labels"});
  expect_invalid([&] { (void)cross_entropy(Tensor<float, 2>(0, 3), Ids(0)); }, {"[0, 3]", "at least one text"});
  expect_invalid([&] { (void)cross_entropy(Tensor<float, 2>(2, 0), labels); }, {"[2, 0]"});
  expect_invalid(
      [&] {
        (void)cross_entropy(in.logits, labels, {Tensor<float, 1>(2), 0});
      },
      {"cross_entropy: 2 class weights for 3 classes"});
  for (double smoothing : {-0.1, 1.0, std::nan("")})
    expect_invalid(
        [&] {
          (void)cross_entropy(in.logits, labels, {{}, smoothing});
        },
        {"cross_entropy: expected label smoothing in [0, 1)", text_of("got ", smoothing)});
  Tape tape;
  auto grads = zeros_like(in);
  const auto r = tape.watch(in, grads);
  expect_invalid([&] { (void)cross_entropy(r.logits, Ids(3)); }, {"cross_entropy: ", "logits (logits) is [2, 3]"});
}

TEST_CASE("cross_entropy: class weights must be numbers of at least 0, and not all 0 in a batch") {
  const auto logits = Tensor<float, 2>::of({2, 2}, {1, 2, 3, 4});
  const auto labels = Tensor<std::int32_t, 1>::of({2}, {0, 0});
  auto loss = [&](float first, float second) {
    return cross_entropy(logits, labels, {.class_weights = Tensor<float, 1>::of({2}, {first, second})}).item();
  };
  CHECK(loss(1, 0) > 0);
  CHECK_THROWS_AS(loss(0, 1), InvalidArgument);
  CHECK_THROWS_AS(loss(1, -1), InvalidArgument);
  CHECK_THROWS_AS(loss(1, std::nanf("")), InvalidArgument);
}
