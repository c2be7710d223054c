/// The observers of a tape: what a trace holds of a pass, what a check for finite numbers says of a broken one, and
/// that looking changes no bit.
#include <doctest/doctest.h>

#include <limits>

#include <quern/autograd/finite_check.hpp>
#include <quern/loss/cross_entropy.hpp>
#include <quern/nn/linear.hpp>
#include <quern/ops/add.hpp>
#include <quern/ops/dropout.hpp>

#include "support/expect_invalid.hpp"

using namespace test;

namespace {

/// Residual, so that a value is used twice; `in` has no bias.
template <class T = float>
struct Net {
  nn::Linear<T> in{2, 3, false};
  std::vector<nn::Linear<T>> blocks;
  nn::Linear<T> out{3, 2};
  static void visit(auto&& f, auto&... m) { f("in", m.in...), f("blocks", m.blocks...), f("out", m.out...); }
  auto operator()(const auto& x) const {
    auto h = in(x);
    for (const auto& b : blocks) h = add(h, dropout(relu(b(h)), 0.5));
    return out(h);
  }
};

Net<> net() {
  Net<> model;
  model.blocks.emplace_back(3, 3);
  initialise(model, 3);
  return model;
}

const auto x = Tensor<float, 2>::of({2, 2}, {1, -2, 3, 0.5f});
const auto labels = Ids::of({2}, {1, 0});
constexpr float inf = std::numeric_limits<float>::infinity();

auto loss_of(const auto& model) { return cross_entropy(model(x), labels); }

/// One pass; gives the gradients.
Net<> pass(const Net<>& model, TapeObserver* observer, const auto& rule) {
  auto grads = zeros_like(model, rule);
  Tape tape(Random(1, Purpose::dropout, 0));
  if (observer) tape.observe(observer);
  tape.backward(loss_of(tape.watch(model, grads, rule)));
  return grads;
}
Net<> pass(const Net<>& model, TapeObserver* observer = nullptr) { return pass(model, observer, TrainAll{}); }

std::string inputs_of(const Trace& trace, const TraceOp& op) {
  std::string names;
  for (const int i : op.inputs) names += (names.empty() ? "" : ", ") + trace.value(i).name;
  return names;
}

std::string text_of_trace(const Trace& trace) {
  std::string text;
  for (const auto& op : trace.ops())
    text += text_of(op.label, " (", op.layer, ") of ", inputs_of(trace, op), "; ", op.walked, "\n");
  return text;
}

/// The Jacobian's rows times dy must be what the op then adds.
struct Jacobians : Trace {
  double largest_error = 0;
  int compared = 0;
  std::vector<std::vector<double>> expected;

  void before_backward(Tape& tape, int output) override {
    Trace::before_backward(tape, output);
    expected.clear();
    const AnyTensor y = value(current().output).at.tensor, dy = gradient_of(tape, current().output);
    for (const int i : current().inputs) {
      const TapeValue& input = value(i).at;
      const AnyTensor before = gradient_of(tape, i);
      expected.emplace_back(std::size_t(input.tensor.size()), 0.0);
      for (std::int64_t k = 0; k < input.tensor.size() && before.memory; ++k)
        expected.back()[std::size_t(k)] = before[k];
      for (std::int64_t row = 0; input.slot >= 0 && row < y.size(); ++row) {
        Storage unit(std::size_t(y.size()) * y.type->bytes, Device{});
        for (std::int64_t k = 0; k < y.size(); ++k) y.type->put(unit.data(), k, k == row);
        AnyTensor answer = input.tensor;
        answer.memory = tape.try_backward(unit, input.slot);
        for (std::int64_t k = 0; k < answer.size(); ++k) expected.back()[std::size_t(k)] += dy[row] * answer[k];
      }
    }
  }
  void after_backward(Tape& tape, int output) override {
    Trace::after_backward(tape, output);
    for (std::size_t i = 0; i < current().inputs.size(); ++i) {
      const AnyTensor g = gradient_of(tape, current().inputs[i]);
      for (std::int64_t k = 0; k < g.size(); ++k, ++compared)
        largest_error = std::max(largest_error, std::abs(g[k] - expected[i][std::size_t(k)]));
    }
  }
};

}  // namespace

TEST_CASE("a trace holds ops, layers, inputs, values and gradients of a pass") {
  const auto model = net();
  Trace trace;
  const auto grads = pass(model, &trace);
  CHECK(text_of_trace(trace) ==
        "linear 1 (in) of input 1, in.weight; 6\n"
        "linear 2 (blocks.0) of linear 1, blocks.0.weight, blocks.0.bias; 5\n"
        "relu 1 () of linear 2; 4\n"
        "dropout 1 () of relu 1; 3\n"
        "add 1 () of linear 1, dropout 1; 2\n"
        "linear 3 (out) of add 1, out.weight, out.bias; 1\n"
        "cross_entropy 1 () of linear 3; 0\n");
}

TEST_CASE("summaries leave out what is not finite, and count it") {
  const auto t = Tensor<double, 2>::of({2, 2}, {3, double(inf), -4, double(-inf)});
  const Summary s = summarise(AnyTensor(t), 3);
  CHECK(s.size == 4);
  CHECK(s.not_finite == 2);
  CHECK(s.first_bad == 1);
  CHECK(s.min == -4);
  CHECK(s.max == 3);
  CHECK(s.mean == -0.5);
  CHECK(s.norm == 5);
  CHECK(s.first == std::vector<double>{3, double(inf), -4});
  CHECK(summarise(AnyTensor(Tensor<bf16, 1>::of({2}, {bf16(2), bf16(4)})), 0).mean == 3);
  CHECK(summarise(AnyTensor(Tensor<float, 1>()), 3).size == 0);
}

TEST_CASE("the numbers of a trace are those of the pass, and looking changes no bit") {
  const auto model = net();
  Trace trace;
  const auto grads = pass(model, &trace), plain = pass(model);
  walk_tensors([](const Path& at, const auto& a, const auto& b) { CHECK_MESSAGE(same_bits(a, b), at.text()); }, grads,
               plain);
  const TraceOp &first = trace.ops()[0], &out = trace.ops()[5];
  CHECK(trace.value(first.output).summary.first[0] == double(model.in(x)(0, 0)));
  REQUIRE(out.input_gradients.size() == 3);
  CHECK(out.input_gradients[1].first[4] == double(grads.out.weight.data()[4]));
  CHECK(out.gradient.size == 4);
  CHECK(first.input_gradients[0].size == 0);  // a constant has none
  const auto again = trace.ops().size();
  pass(model, &trace);
  CHECK(trace.ops().size() == again);
}

TEST_CASE("an op's answers to unit vectors are its Jacobian, and asking leaves the pass as it is") {
  const auto model = net();
  Jacobians jacobians;
  const auto grads = pass(model, &jacobians), plain = pass(model);
  walk_tensors([](const Path& at, const auto& a, const auto& b) { CHECK_MESSAGE(same_bits(a, b), at.text()); }, grads,
               plain);
  CHECK(jacobians.compared > 60);
  CHECK(jacobians.largest_error < 1e-6);
  Tape tape;
  expect_message(message_of<InvalidArgument>([&] { tape.try_backward({}, 0); }), {"try_backward: there is no op"});
}

TEST_CASE("frozen parameters and what is computed from them alone are in the trace, without gradients") {
  const auto model = net();
  Trace trace;
  pass(model, &trace, [](const std::string& name) { return ParameterOptions{.train = name.starts_with("out")}; });
  REQUIRE(trace.ops().size() == 7);
  CHECK(trace.ops()[1].layer == "blocks.0");
  CHECK(inputs_of(trace, trace.ops()[4]) == "linear 1, dropout 1");
  CHECK(trace.ops()[4].walked == -1);
  CHECK(trace.ops()[5].walked == 1);
  CHECK(trace.ops()[5].input_gradients[0].size == 0);
  CHECK(trace.ops()[5].input_gradients[1].size == 6);
}

TEST_CASE("an observer comes before the first parameter") {
  auto model = net();
  auto grads = zeros_like(model);
  Trace trace;
  Tape tape;
  const auto recorded = tape.watch(model, grads);
  expect_message(message_of<InvalidArgument>([&] { tape.observe(&trace); }), {"observe: ", "before watch()"});
}

TEST_CASE("the first number that is not finite is found: in a parameter, forward, backward") {
  const auto broken = [](auto&& spoil) {
    auto model = net();
    spoil(model);
    FiniteCheck check;
    return message_of<FiniteCheck::Failure>([&] { pass(model, &check); });
  };
  CHECK(broken([](Net<>& m) { m.blocks[0].bias(1) = inf; }) ==
        "blocks.0.bias: 1 of 3 elements not finite, the first is element 1 (inf) before the pass");
  expect_message(broken([](Net<>& m) { m.blocks[0].weight.fill(3e38f), m.in.weight.fill(5); }),
                 {"linear 2 (blocks.0), forward: its result [2, 3] has ", "inputs: linear 1 from ",
                  "blocks.0.weight from 3e+38 to 3e+38"});
  // All hidden values are 0, so the loss is finite; 3e38 times a part of its gradient, doubled by dropout, is not.
  expect_message(broken([](Net<>& m) {
                   m.in.weight.fill(0), m.blocks[0].bias.fill(0), m.out.weight.fill(3e38f);
                   for (int i = 0; i < 3; ++i) m.out.weight(0, i) = -3e38f;
                 }),
                 {"dropout 1, backward: the gradient of relu 1 [2, 3] has "});
  FiniteCheck check;
  pass(net(), &check);
  CHECK(check.ops().size() == 7);
}
