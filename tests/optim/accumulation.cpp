#include <doctest/doctest.h>

#include <cmath>

#include <quern/cpu/eigen.hpp>
#include <quern/loss/cross_entropy.hpp>
#include <quern/nn/embedding.hpp>
#include <quern/nn/linear.hpp>
#include <quern/ops/max_over_time.hpp>
#include <quern/optim/adam.hpp>
#include <quern/optim/clip.hpp>

#include "support/on_device.hpp"

using namespace test;

namespace {

template <class T>
struct Classifier {
  nn::Embedding<T> words{50, 20};
  nn::Linear<T> out{20, 3};
  static void visit(auto&& f, auto&... m) { f("words", m.words...), f("out", m.out...); }
  auto operator()(const Batch& text) const { return out(max_over_time(words(text))); }
};

/// `count` texts from number `first` on, with their labels.
Batch texts(int first, int count) {
  std::vector<std::vector<std::int32_t>> ids;
  std::vector<std::int32_t> labels;
  for (int i = first; i < first + count; ++i) {
    auto& text = ids.emplace_back();
    for (int t = 0; t <= i % 5; ++t) text.push_back((i * 7 + t * 13) % 50);
    labels.push_back(i % 3);
  }
  return to(pack(ids, labels), test_device());
}

template <class T>
Classifier<T> classifier() {
  Classifier<double> model;
  initialise(model, 1);
  return to(cast<T>(model), test_device());
}

}  // namespace

TEST_CASE_TEMPLATE("four parts of a batch, accumulated, step as the whole batch does", T, QUERN_TEST_REALS) {
  auto model = classifier<T>(), whole = model;
  auto grads = zeros_like(model), whole_grads = zeros_like(whole);
  Adam adam(model, {.rate = 0.01, .epsilon = 1e-3}), whole_adam(whole, {.rate = 0.01, .epsilon = 1e-3});
  for (int step = 0; step < 5; ++step) {
    for (int part = 0; part < 4; ++part) {
      const Batch batch = texts(100 * step + 8 * part, 8);
      Tape tape;
      tape.backward(cross_entropy(tape.watch(model, grads)(batch), batch.labels));  // adds into grads
    }
    scale_gradients(grads, 1.0 / 4);
    adam.step(model, grads);

    const Batch batch = texts(100 * step, 32);
    Tape tape;
    tape.backward(cross_entropy(tape.watch(whole, whole_grads)(batch), batch.labels));
    whole_adam.step(whole, whole_grads);
  }
  double difference = 0, moved = 0;
  const auto parts = to(model, Device::cpu()), at_once = to(whole, Device::cpu());
  const auto start = to(classifier<T>(), Device::cpu());
  walk_tensors(
      [&](const Path&, const auto& a, const auto& b, const auto& s) {
        for (std::int64_t i = 0; i < a.size(); ++i) {
          difference += std::pow(double(a.data()[i]) - double(b.data()[i]), 2);
          moved += std::pow(double(b.data()[i]) - double(s.data()[i]), 2);
        }
      },
      parts, at_once, start);
  CHECK(moved > 0.01);
  CHECK(std::sqrt(difference / moved) < (std::is_same_v<T, double> ? 1e-13 : 1e-4));
}
