#include <quern/autograd/checkpoint.hpp>

#include <doctest/doctest.h>

#include <quern/autograd/gradcheck.hpp>
#include <quern/nn/embedding.hpp>
#include <quern/nn/linear.hpp>
#include <quern/ops/add.hpp>
#include <quern/ops/dropout.hpp>
#include <quern/ops/relu.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/weighted_sum.hpp"

using namespace test;

namespace {

/// Uses its input twice and its weights twice, and draws in between.
template <class T>
struct Block {
  nn::Linear<T> up, down;
  static void visit(auto&& f, auto&... m) { f("up", m.up...), f("down", m.down...); }
  auto operator()(const auto& x) const {
    const auto once = down(dropout(relu(up(x)), 0.4));
    return add(add(x, once), down(relu(up(once))));
  }
};

enum class How { plain, checkpointed, nested };

/// Words, then blocks of which the first is used again at the end; dropout before, inside and after what is computed
/// twice. One part draws nothing, and is given one tensor twice.
template <class T>
struct Deep {
  nn::Embedding<T> words;
  std::vector<Block<T>> blocks;
  How how = How::plain;
  static void visit(auto&& f, auto&... m) { f("words", m.words...), f("blocks", m.blocks...), f("how", m.how...); }

  auto operator()(const Batch& batch) const {
    const auto embed = [](const auto& table, const Batch& b) { return dropout(table(b), 0.1); };
    const auto run = [](const auto& block, const auto& x) { return checkpoint(block, x); };
    auto h = how == How::plain ? dropout(words(batch), 0.1).rows : checkpoint(embed, words, batch).rows;
    h = dropout(h, 0.2);
    for (const auto& block : blocks)
      h = how == How::plain ? block(h) : how == How::nested ? checkpoint(run, block, h) : checkpoint(block, h);
    const auto join = [](const auto& a, const auto& b) { return add(a, relu(b)); };
    h = how == How::plain ? join(h, h) : checkpoint(join, h, h);
    return dropout(blocks[0](dropout(h, 0.3)), 0.1);
  }
};

template <class T>
Deep<T> deep(std::int64_t width, std::int64_t hidden, std::size_t blocks) {
  Deep<T> model{{9, width}, std::vector<Block<T>>(blocks), How::plain};
  for (auto& b : model.blocks) b = {{width, hidden}, {hidden, width}};
  initialise(model, 3);
  return model;
}

const Batch batch = pack({{1, 2, 7}, {2, 2}});

/// The loss of one pass; gradients are added into `grads`.
template <class T>
T pass(Deep<T> model, How how, Deep<T>& grads, const Batch& texts, std::size_t* nodes = nullptr) {
  model.how = how;
  Tape tape(Random(5, Purpose::dropout, 1));
  const auto y = tape.watch(model, grads)(texts);
  const auto loss = weighted_sum(y, drawn_weights(std::size_t(y.size())));
  if (nodes) *nodes = tape.size();
  tape.backward(loss);
  CHECK(tape.without_gradient().empty());
  return loss.item();
}

void expect_same(const auto& a, const auto& b) {
  walk_tensors([](const Path& path, const auto& x, const auto& y) { CHECK_MESSAGE(same_bits(x, y), path.text()); }, a,
               b);
}

}  // namespace

TEST_CASE("checkpoint: value and gradients have the bits of a pass without it, random numbers included") {
  const auto model = deep<float>(6, 10, 3);
  auto expected = zeros_like(model);
  std::size_t all = 0;
  const float loss = pass(model, How::plain, expected, batch, &all);
  pass(model, How::plain, expected, batch);  // on top of what is there
  for (How how : {How::checkpointed, How::nested}) {
    auto grads = zeros_like(model);
    std::size_t nodes = 0;
    CHECK(pass(model, how, grads, batch, &nodes) == loss);
    CHECK(nodes < all - 15);
    CHECK(grads.words.weight.storage()->touched->rows == std::vector<std::int32_t>{1, 2, 7});
    pass(model, how, grads, batch);
    expect_same(grads, expected);
  }
}

TEST_CASE("checkpoint: gradients agree with central differences") {
  const auto model = deep<double>(3, 5, 2);
  for (How how : {How::checkpointed, How::nested}) {
    auto m = model;
    m.how = how;
    const auto weights = drawn_weights(15);
    const auto report = gradcheck(m, [&](const auto& net) { return weighted_sum(net(batch), weights); },
                                  {.most = 12, .random_changes_value = true});
    CHECK_MESSAGE(report.ok(), report.text());
    CHECK(report.parameters.size() == 9);
  }
}

TEST_CASE("checkpoint: a deep net needs a fraction of the memory") {
  const auto model = deep<float>(64, 256, 12);
  auto grads = zeros_like(model);
  const Batch texts = pack({std::vector<std::int32_t>(300, 4), std::vector<std::int32_t>(100, 5)});
  const auto before = pool_stats().live_bytes;
  pass(model, How::checkpointed, grads, texts);
  const auto with = pool_stats().peak_live_bytes - before;
  pass(model, How::plain, grads, texts);
  const auto without = pool_stats().peak_live_bytes - before;  // the peak never falls: it is of this pass if it grew
  MESSAGE("peak of tensor memory: ", with / 1024, " KiB with checkpoint, ", without / 1024, " KiB without");
  CHECK(without > 3 * with);
  CHECK(pool_stats().live_bytes == before);
}

TEST_CASE("checkpoint of plain arguments is a call; of constants it records nothing") {
  auto model = deep<float>(6, 10, 2);
  const auto expected = model(batch);
  model.how = How::checkpointed;
  CHECK(same_bits(model(batch), expected));
  const auto frozen = [](const std::string&) { return ParameterOptions{.train = false}; };
  auto none = zeros_like(model, frozen);
  Tape tape;
  CHECK(same_bits(tape.watch(model, none, frozen)(batch).value(), expected));
  CHECK(tape.size() == 0);
}

TEST_CASE("checkpoint refuses an f that captured what is recorded") {
  const auto model = deep<float>(6, 10, 1);
  auto grads = zeros_like(model);
  Tape tape;
  const auto m = tape.watch(model, grads);
  const auto h = m.words(batch).rows;
  expect_message(
      message_of<InvalidArgument>([&] { (void)checkpoint([&](const auto& x) { return m.blocks[0](x); }, h); }),
      {"linear: the arguments are recorded on different tapes"});
  expect_message(message_of<InvalidArgument>([&] { (void)checkpoint([&](const auto&) { return h; }, h); }),
                 {"checkpoint: the result of f was not computed from its arguments"});
  expect_message(message_of<InvalidArgument>([&] { (void)checkpoint([&](int) { return relu(h); }, 1); }),
                 {"checkpoint: none of the arguments is recorded"});
}
