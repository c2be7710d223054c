#include <quern/nn/initialise.hpp>

#include <doctest/doctest.h>

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
