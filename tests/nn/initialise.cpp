#include <quern/nn/initialise.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include <quern/nn/conv1d.hpp>
#include <quern/nn/embedding.hpp>
#include <quern/nn/linear.hpp>

#include "support/draw.hpp"

using namespace test;

namespace {

template <class T>
struct Net {
  nn::Embedding<T> words;
  std::vector<nn::Linear<T>> layers;
  std::optional<nn::Linear<T>> head;
  static void visit(auto&& f, auto&... m) { f("words", m.words...), f("layers", m.layers...), f("head", m.head...); }
};

Net<float> net(int layers, bool head, std::uint64_t seed) {
  Net<float> m;
  m.words = {1000, 30};
  for (int i = 0; i < layers; ++i) m.layers.emplace_back(100, 50);
  if (head) m.head.emplace(50, 2);
  initialise(m, seed);
  return m;
}

/// Mean, root mean square, and the largest magnitude.
struct Spread {
  double mean = 0, rms = 0, largest = 0;
  explicit Spread(const auto& w) {
    for (auto v : w.span()) {
      mean += double(v), rms += double(v) * double(v);
      largest = std::max(largest, std::abs(double(v)));
    }
    mean /= double(w.size()), rms = std::sqrt(rms / double(w.size()));
  }
};

}  // namespace

TEST_CASE("uniform and normal values have the spread asked for") {
  Tensor<double, 2> w(100, 500);
  uniform(w, 0.25, Random(1, Purpose::initial), 3);
  Spread flat(w);
  CHECK(flat.largest <= 0.25);
  CHECK(flat.largest > 0.249);
  CHECK(std::abs(flat.mean) < 0.003);
  CHECK(flat.rms == doctest::Approx(0.25 / std::sqrt(3.0)).epsilon(0.01));
  normal(w, 0.5, Random(1, Purpose::initial), 3);
  Spread bell(w);
  CHECK(std::abs(bell.mean) < 0.01);
  CHECK(bell.rms == doctest::Approx(0.5).epsilon(0.015));
  CHECK(bell.largest > 1.5);
  fan_in_uniform(w, 16, Random(1, Purpose::initial), 3);
  CHECK(Spread(w).largest == doctest::Approx(0.25).epsilon(0.01));
  fan_in_uniform(w, 0, Random(1, Purpose::initial), 3);
  CHECK(Spread(w).largest == 0);
}

TEST_CASE("Kaiming's and Xavier's values have the deviation of their formulas") {
  Tensor<float, 3> w(120, 40, 5);  // fan in 200, fan out 600
  const Random random(3, Purpose::initial);
  auto expect = [&](double deviation, bool bounded) {
    const Spread spread(w);
    CHECK(spread.rms == doctest::Approx(deviation).epsilon(0.02));
    CHECK((spread.largest <= deviation * std::sqrt(3.0) * 1.000001) == bounded);
  };
  kaiming_normal(w, random, 1), expect(std::sqrt(2.0 / 200), false);
  kaiming_uniform(w, random, 1), expect(std::sqrt(2.0 / 200), true);
  kaiming_normal(w, random, 1, relu_gain(0.2), Fan::out), expect(std::sqrt(2 / 1.04 / 600), false);
  kaiming_uniform(w, random, 1, tanh_gain, Fan::out), expect(5.0 / 3 / std::sqrt(600), true);
  xavier_normal(w, random, 1), expect(std::sqrt(2.0 / 800), false);
  xavier_uniform(w, random, 1, 3), expect(3 * std::sqrt(2.0 / 800), true);
}

TEST_CASE("a truncated normal is a normal within two deviations") {
  Tensor<double, 1> w(40'000);
  truncated_normal(w, 0.5, Random(3, Purpose::initial), 1);
  std::sort(w.span().begin(), w.span().end());
  CHECK(w(0) >= -1);
  CHECK(w(w.size() - 1) <= 1);
  // Kolmogorov and Smirnov: the largest distance of the two distribution functions.
  double distance = 0;
  for (std::int64_t i = 0; i < w.size(); ++i) {
    const double p = (1 + std::erf(w(i) / 0.5 / std::sqrt(2.0)) / std::erf(std::sqrt(2.0))) / 2;
    distance = std::max(distance, std::abs(p - (double(i) + 0.5) / double(w.size())));
  }
  CHECK(distance < 1.63 / std::sqrt(40'000.0));  // of 1 in 100 seeds
  for (double y : {0.0, 1e-12, 0.25, -0.75, 0.9545})
    CHECK(std::erf(detail::inverse_erf(y)) == doctest::Approx(y).epsilon(1e-14));
}

TEST_CASE("initial values are the same for any number of threads, and one by one those of the generator") {
  const Random random(4, Purpose::initial);
  Tensor<float, 2> w(100, 501);
  std::vector<Tensor<float, 2>> first;
  for (int threads : {1, 2, 5}) {
    set_threads(threads);
    std::vector<Tensor<float, 2>> values;
    uniform(w, 0.25, random, 3), values.push_back(w);
    CHECK(w(99, 500) == float((2.0 * random.uniform(3, 50'099) - 1) * 0.25));
    normal(w, 0.25, random, 3), values.push_back(w);
    CHECK(w(99, 500) == float(random.normal(3, 50'099) * 0.25));
    truncated_normal(w, 0.25, random, 3), values.push_back(w);
    if (threads == 1) first = values;
    for (std::size_t i = 0; i < values.size(); ++i) CHECK(same_bits(values[i], first[i]));
  }
}

TEST_CASE("modules begin as Kim's and PyTorch's do") {
  const auto m = net(1, true, 1);
  CHECK(Spread(m.words.weight).largest == doctest::Approx(0.25).epsilon(0.01));
  CHECK(Spread(m.layers[0].weight).largest == doctest::Approx(0.1).epsilon(0.01));  // 1/√100
  CHECK(Spread(m.layers[0].bias).largest == doctest::Approx(0.1).epsilon(0.1));
  CHECK(Spread(m.head->weight).largest == doctest::Approx(1 / std::sqrt(50.0)).epsilon(0.05));
  nn::Conv1d<double> conv(20, 30, 5);
  conv.initialise(Random(1, Purpose::initial), 0);
  CHECK(Spread(conv.weight).largest == doctest::Approx(0.1).epsilon(0.01));  // 1/√(20·5)
  CHECK(Spread(conv.bias).largest <= 0.1);
}

TEST_CASE("initial values depend on the seed and the place; no two parameters share them") {
  const auto a = net(2, true, 1), b = net(2, true, 1), c = net(2, true, 2), longer = net(3, false, 1);
  CHECK(same_bits(a.words.weight, b.words.weight));
  CHECK(same_bits(a.layers[1].weight, b.layers[1].weight));
  CHECK_FALSE(same_bits(a.words.weight, c.words.weight));
  CHECK_FALSE(same_bits(a.layers[0].weight, a.layers[1].weight));
  CHECK_FALSE(same_bits(a.layers[0].bias, a.layers[1].bias));
  CHECK(a.layers[0].weight(0, 0) != a.layers[0].bias(0));
  CHECK(same_bits(a.words.weight, longer.words.weight));  // a layer more changes nothing before it
  CHECK(same_bits(a.layers[1].weight, longer.layers[1].weight));
  CHECK(std::string(a.layers[1].bias.name()) == "layers.1.bias");
}
