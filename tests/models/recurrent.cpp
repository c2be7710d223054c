/// nn::Lstm, nn::Gru and the classifiers made of them: the results of PyTorch's, and what a classifier must do.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <quern/autograd/gradcheck.hpp>
#include <quern/io/safetensors.hpp>
#include <quern/loss/cross_entropy.hpp>
#include <quern/loss/mse_loss.hpp>
#include <quern/models/gru_classifier.hpp>
#include <quern/models/lstm_classifier.hpp>
#include <quern/optim/adam.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/on_device.hpp"
#include "support/weighted_sum.hpp"

using namespace test;

namespace {

constexpr std::int64_t inputs = 7, units = 5;
const std::vector<std::int64_t> lengths[2] = {{4, 1, 9, 3}, {2, 6, 6, 1, 1, 3, 5, 2}};

/// What goldens/make_recurrent.py wrote. The weights have PyTorch's names: loading is strict.
template <class Net>
struct Golden {
  Net start, gradient, stepped;
  std::vector<Tensor<double, 2>> x, target;
  Tensor<double, 2> y, dx;

  Golden() {
    start = gradient = stepped = Net(inputs, units, {.bidirectional = true, .layers = 2});
    for (const auto& texts : lengths) {
      x.emplace_back(sum_of(texts), inputs);
      target.emplace_back(sum_of(texts), 2 * units);
    }
    y = target[0], dx = x[0];
  }
  static void visit(auto&& f, auto&... m) {
    f("start", m.start...), f("gradient", m.gradient...), f("stepped", m.stepped...), f("x", m.x...);
    f("target", m.target...), f("y", m.y...), f("dx", m.dx...);
  }
};

template <class A, class B, int Rank>
double distance(const Tensor<A, Rank>& a, const Tensor<B, Rank>& b) {
  double sum = 0;
  for (std::int64_t i = 0; i < b.size(); ++i) sum += std::pow(double(a.data()[i]) - double(b.data()[i]), 2);
  return std::sqrt(sum);
}
template <class T, int Rank>
double norm(const Tensor<T, Rank>& x) {
  return distance(x, Tensor<T, Rank>(x.shape()));
}

/// Of every tensor ‖a - b‖ ≤ bound ‖b‖ + floor · (the largest norm); gives the largest ‖a - b‖ / ‖b‖.
double expect_equal(const std::string& what, const auto& found, const auto& expected, double bound, double floor) {
  double largest = 0, worst = 0;
  walk_tensors([&](const Path&, const auto& b) { largest = std::max(largest, norm(b)); }, expected);
  walk_tensors(
      [&](const Path& path, const auto& a, const auto& b) {
        const double error = distance(a, b);
        CHECK_MESSAGE(error <= bound * norm(b) + floor * largest, what, " ", path.text(), ": ", error, " of ", norm(b));
        worst = std::max(worst, error / norm(b));
      },
      found, expected);
  return worst;
}

template <template <class> class Net, class T>
void expect_parity(const std::string& name) {
  Golden<Net<double>> golden;
  load_safetensors(golden, QUERN_SOURCE_DIR "/tests/goldens/" + name + ".safetensors");
  const double bound = std::is_same_v<T, double> ? 1e-9 : 1e-4, floor = std::is_same_v<T, double> ? 0 : 1e-6;
  auto net = to(cast<T>(golden.start), test_device());
  auto grads = zeros_like(net);
  Adam adam(net, {.rate = 0.01, .weight_decay = 0.1, .decoupled = true});
  double worst = 0;
  for (std::size_t step = 0; step < 10; ++step) {
    const auto x = on_device(quern::detail::converted<T>(golden.x[step % 2]));
    const auto target = on_device(quern::detail::converted<T>(golden.target[step % 2]));
    auto dx = Tensor<T, 2>(x.shape(), x.device());
    Tape tape;
    const auto y = tape.watch(net, grads)(Packed{tape.watch(x, dx), on_device(offsets_of(lengths[step % 2]))}).rows;
    tape.backward(mse_loss(y, target));
    if (step == 0) {
      const auto found = on_host(y.value());
      for (std::int64_t i = 0; i < found.size(); ++i)
        worst = std::max(worst, std::abs(double(found.data()[i]) - golden.y.data()[i]));
      CHECK(worst <= bound / 10);
      CHECK(distance(on_host(dx), golden.dx) <= bound * norm(golden.dx));
      const double gradient = expect_equal("gradient", to(grads, Device::cpu()), golden.gradient, bound, floor);
      std::printf("%s, %s: y errs by %.1e, gradients by %.1e, ", name.c_str(), dtype_name<T>, worst, gradient);
    }
    adam.step(net, grads);
  }
  const auto stepped = to(net, Device::cpu());
  std::printf("weights after ten steps by %.1e\n", expect_equal("stepped", stepped, golden.stepped, bound, floor));
  auto moved = cast<double>(stepped), expected = Golden<Net<double>>(golden).stepped;
  for (auto* w : {&moved, &expected})
    walk_tensors(
        [](const Path&, auto& a, const auto& start) {
          for (std::int64_t i = 0; i < a.size(); ++i) a.data()[i] -= start.data()[i];
        },
        *w, golden.start);
  expect_equal("moved", moved, expected, 10 * bound, floor);
}

const Batch& batch() {
  static const Batch b = pack({{1, 2, 3, 5, 4}, {6}, {0, 3, 3}, {8, 7, 2, 1, 9, 9, 4}}, {0, 1, 2, 1});
  return b;
}

constexpr RecurrentClassifierConfig small{.vocabulary = 10, .classes = 3, .embedding = 4, .hidden = 5};

/// A recorded model is the plain one; its gradients are those of differences; a text has the same logits alone.
void expect_classifier(const auto& model) {
  const auto logits = model(batch());
  CHECK(logits.shape() == Shape{4, 3});
  CHECK(same_bits(logits, model.logits(model.embedded(batch()))));
  for (std::int64_t b = 0; b < 4; ++b) {
    std::vector<std::int32_t> ids;
    for (auto i = batch().offsets(b); i < batch().offsets(b + 1); ++i) ids.push_back(batch().ids(i));
    const auto one = model(pack({ids}));
    for (std::int64_t c = 0; c < 3; ++c) CHECK(one(0, c) == logits(b, c));
  }
  if (has_cuda) return;
  auto certain = model;  // gradcheck gives its tape a random stream
  certain.dropout = certain.word_dropout = certain.cells.layers.dropout = 0;
  const auto report = gradcheck(certain, [](const auto& m) { return weighted_sum(m(batch()), drawn_weights(12)); });
  CHECK_MESSAGE(report.ok(), report.text());
}

/// Learns four texts by heart, on the device under test.
void expect_learns(auto model) {
  const Batch texts = to(batch(), test_device());
  auto net = to(model, test_device());
  auto grads = zeros_like(net);
  Adam adam(net, {.rate = 0.02});
  double loss = 0;
  for (std::uint32_t step = 0; step < 40; ++step) {
    Tape tape;
    const auto l = cross_entropy(tape.watch(net, grads)(texts), texts.labels);
    tape.backward(l);
    CHECK(tape.without_gradient().empty());
    adam.step(net, grads);
    loss = double(l.item());
  }
  CHECK(loss < 0.1);
}

}  // namespace

TEST_CASE_TEMPLATE("nn::Lstm and nn::Gru compute what PyTorch's compute", T, QUERN_TEST_REALS) {
  expect_parity<nn::Lstm, T>("lstm");
  expect_parity<nn::Gru, T>("gru");
}

TEST_CASE("recurrent classifiers") {
  expect_classifier(make_lstm_classifier<double>(small, 1));
  expect_classifier(make_gru_classifier<double>(small, 1));
  expect_learns(make_lstm_classifier(small, 1));
  expect_learns(make_gru_classifier(small, 1));
}

TEST_CASE("recurrent classifiers: two layers, one direction, dropout on a tape alone") {
  auto config = small;
  config.layers = 2, config.bidirectional = false;
  const auto model = make_gru_classifier<double>(config, 3);
  CHECK(model.out.weight.shape() == Shape{3, 5});
  expect_classifier(model);
  Tape tape(Random(1, Purpose::dropout, 1));
  auto grads = zeros_like(model);
  CHECK_FALSE(same_bits(tape.watch(model, grads)(batch()).value(), model(batch())));
}

TEST_CASE("recurrent classifiers: the names of their parameters, and sizes that are none") {
  const auto model = make_lstm_classifier(small, 1);
  CHECK(std::string(model.cells.layers.cells[1].weight_hh.name()) == "lstm.weight_hh_l0_reverse");
  CHECK(same_bits(make_lstm_classifier(small, 1).out.weight, model.out.weight));
  auto none = small;
  none.hidden = 0;
  expect_message(message_of<InvalidArgument>([&] { (void)make_lstm_classifier(none, 1); }),
                 {"lstm_classifier: vocabulary 10", "hidden 0", "at least 1"});
  expect_message(message_of<InvalidArgument>([&] { (void)make_gru_classifier({}, 1); }),
                 {"gru_classifier: vocabulary 0"});
}
