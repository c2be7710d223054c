#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include <quern/autograd/gradcheck.hpp>
#include <quern/cpu/eigen.hpp>
#include <quern/nn/gru.hpp>
#include <quern/nn/lstm.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/weighted_sum.hpp"

using namespace test;

namespace {

std::vector<std::string> names_of(const auto& m) {
  std::vector<std::string> all;
  walk_tensors([&](const Path& path, const auto& w) { all.push_back(text_of(path, " ", w.shape())); }, m);
  return all;
}

template <class Net>
Net started(const nn::RecurrentOptions& options = {}) {
  Net net(3, 4, options);
  initialise(net, 1);
  return net;
}

Packed<double> texts() { return {drawn(Shape{9, 3}, 1), offsets_of({4, 0, 1, 4})}; }

}  // namespace

TEST_CASE("nn::Lstm and nn::Gru have the names and shapes that PyTorch's have") {
  CHECK(names_of(nn::Lstm<>(3, 4)) ==
        std::vector<std::string>{"weight_ih_l0 [16, 3]", "weight_hh_l0 [16, 4]", "bias_ih_l0 [16]", "bias_hh_l0 [16]"});
  CHECK(names_of(nn::Gru<>(3, 4, {.bidirectional = true})) ==
        std::vector<std::string>{"weight_ih_l0 [12, 3]", "weight_hh_l0 [12, 4]", "bias_ih_l0 [12]", "bias_hh_l0 [12]",
                                 "weight_ih_l0_reverse [12, 3]", "weight_hh_l0_reverse [12, 4]",
                                 "bias_ih_l0_reverse [12]", "bias_hh_l0_reverse [12]"});
  const auto deep = names_of(nn::Lstm<>(3, 4, {.bidirectional = true, .layers = 2}));
  CHECK(deep.size() == 16);
  CHECK(deep[12] == "weight_ih_l1_reverse [16, 8]");
  CHECK(names_of(nn::Gru<>(3, 4, {.layers = 2}))[4] == "weight_ih_l1 [12, 4]");
}

TEST_CASE("nn::Lstm: forward and backward stand beside each other; a second layer reads both") {
  const auto net = started<nn::Lstm<double>>({.bidirectional = true, .layers = 2});
  const auto& cells = net.layers.cells;
  const auto run = [](const Packed<double>& x, const auto& c, bool reverse) {
    return lstm(x, c.weight_ih, c.weight_hh, c.bias_ih, c.bias_hh, reverse).rows;
  };
  const auto x = texts();
  const Packed<double> first{concat(std::vector{run(x, cells[0], false), run(x, cells[1], true)}), x.offsets};
  const auto y = net(x);
  CHECK(same_bits(y.rows, concat(std::vector{run(first, cells[2], false), run(first, cells[3], true)})));
  CHECK(same_bits(y.offsets, x.offsets));
}

TEST_CASE("nn::Lstm and nn::Gru pass gradcheck; their settings go with them") {
  const auto check = [](const auto& net) {
    const auto report = gradcheck(net, [](const auto& m) { return weighted_sum(m(texts()).rows, drawn_weights(72)); });
    CHECK_MESSAGE(report.ok(), report.text());
    CHECK(report.parameters.size() == 16);
    CHECK(cast<float>(net).layers.bidirectional);
  };
  check(started<nn::Lstm<double>>({.bidirectional = true, .layers = 2}));
  check(started<nn::Gru<double>>({.bidirectional = true, .layers = 2}));
  CHECK(cast<float>(started<nn::Gru<double>>({.layers = 2, .dropout = 0.25})).layers.dropout == 0.25);
}

TEST_CASE("nn::Lstm and nn::Gru begin with all weights uniform in ±1/√H, and no two alike") {
  const auto look = [](const auto& net) {
    std::vector<float> firsts;
    walk_tensors(
        [&](const Path&, const auto& w) {
          for (float v : w.span()) CHECK(std::abs(v) <= 0.5f);
          CHECK(*std::max_element(w.data(), w.data() + w.size()) > 0.1f);
          CHECK(*std::min_element(w.data(), w.data() + w.size()) < -0.1f);
          firsts.push_back(w.data()[0]);
        },
        net);
    std::sort(firsts.begin(), firsts.end());
    CHECK(std::adjacent_find(firsts.begin(), firsts.end()) == firsts.end());
  };
  look(started<nn::Lstm<float>>({.bidirectional = true, .layers = 2}));
  look(started<nn::Gru<float>>({.bidirectional = true}));
}

TEST_CASE("nn::Lstm refuses sizes that are none, and names a weight that does not fit") {
  expect_message(message_of<InvalidArgument>([] { nn::Lstm<>(3, 0); }), {"3 inputs, 0 units", "at least 1"});
  expect_message(message_of<InvalidArgument>([] { nn::Gru<>(3, 4, {.layers = 0}); }), {"0 layers"});
  const auto net = started<nn::Lstm<double>>();
  const Packed<double> narrow{Tensor<double, 2>(5, 2), offsets_of({5})};
  expect_message(message_of<InvalidArgument>([&] { (void)net(narrow); }),
                 {"lstm: weight_ih (weight_ih_l0) is [16, 3] double", "x is [5, 2]"});
}
