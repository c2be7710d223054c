#include <quern/tensor/borrow.hpp>

#include <doctest/doctest.h>

#include <numeric>
#include <vector>

#include <quern/autograd/tape.hpp>
#include <quern/loss/mse_loss.hpp>
#include <quern/ops/linear.hpp>
#include <quern/optim/sgd.hpp>

#include "support/expect_invalid.hpp"

using namespace test;

namespace {

template <class T = float>
struct Model {
  Tensor<T, 2> weight;  // [2, 3]
  Tensor<T, 1> bias;    // [2]
  static void visit(auto&& f, auto&... m) { f("weight", m.weight...), f("bias", m.bias...); }
  auto operator()(const auto& x) const { return linear(x, weight, bias); }
};

std::vector<float> counted(std::size_t n) {
  std::vector<float> v(n);
  std::iota(v.begin(), v.end(), 1.0f);
  return v;
}

}  // namespace

TEST_CASE("a borrowed tensor is the memory it was given") {
  auto memory = counted(6);
  auto x = borrow(memory.data(), Shape{2, 3});
  CHECK(x.data() == memory.data());
  CHECK(x(1, 0) == 4);
  x(1, 2) = 60;
  CHECK(memory[5] == 60);
  memory[0] = 10;
  CHECK(x(0, 0) == 10);
  CHECK(view_of(memory.data(), Shape{2, 3})(1, 2) == 60);
  CHECK(borrow(std::span(memory), Shape{6})(5) == 60);
  CHECK(borrow(static_cast<float*>(nullptr), Shape{0, 3}).size() == 0);
}

TEST_CASE("a copy copies, a share and a move do not; and the memory is never given to the pool") {
  auto memory = counted(6);
  const auto before = pool_stats();
  {
    auto x = borrow(memory.data(), Shape{2, 3});
    const auto copy = x;
    CHECK(copy.data() != memory.data());
    CHECK(same_bits(copy, x));
    CHECK_FALSE(copy.storage()->borrowed());
    const auto alias = x.share(Shape{3, 2});
    CHECK(alias.data() == memory.data());
    const auto moved = std::move(x);
    CHECK(moved.data() == memory.data());
    CHECK(moved.storage()->borrowed());
    CHECK(moved.storage()->bytes == 24);
  }
  CHECK(pool_stats().live_bytes == before.live_bytes);
  for (int i = 0; i < 3; ++i) {  // the block that held the borrowed tensor's head is an ordinary one again
    const Tensor<float, 1> fresh(6);
    CHECK_FALSE(fresh.storage()->borrowed());
    CHECK(fresh.data() != memory.data());
  }
  CHECK(memory == counted(6));
}

TEST_CASE("read-only memory makes a constant tensor") {
  const auto memory = counted(6);
  static_assert(std::is_same_v<decltype(borrow(memory.data(), Shape{6})), const Tensor<float, 1>>);
  static_assert(std::is_same_v<decltype(borrow(std::span(memory), Shape{6})), const Tensor<float, 1>>);
  const auto x = borrow(memory.data(), Shape{2, 3});
  CHECK(x.data() == memory.data());
}

TEST_CASE("ops, the tape and an optimizer work on borrowed memory, at any alignment, as on their own") {
  auto x_memory = counted(1 + 4 * 3), w_memory = counted(1 + 6), b_memory = counted(1 + 2);
  auto train = [](Model<>& model, const Tensor<float, 2>& x) {
    const Tensor<float, 2> y(4, 2);
    auto grads = zeros_like(model);
    for (int step = 0; step < 3; ++step) {
      Tape tape;
      tape.backward(mse_loss(tape.watch(model, grads)(x), y));
      Sgd{.rate = 0.001}.step(model, grads);
    }
  };
  const auto x = borrow(x_memory.data() + 1, Shape{4, 3});
  Model<> borrowed{borrow(w_memory.data() + 1, Shape{2, 3}), borrow(b_memory.data() + 1, Shape{2})};
  Model<> own = borrowed;
  train(borrowed, x);
  train(own, Tensor<float, 2>(x));
  CHECK(same_bits(borrowed.weight, own.weight));
  CHECK(same_bits(borrowed.bias, own.bias));
  CHECK(w_memory[1] != 2);  // trained in place
  CHECK(w_memory[1] == own.weight(0, 0));
  CHECK(w_memory[0] == 1);
  CHECK(b_memory[2] == own.bias(1));
  CHECK(x_memory == counted(13));
}

TEST_CASE("borrow refuses memory that cannot be a tensor") {
  auto memory = counted(6);
  expect_invalid(
      [&] {
        (void)borrow(std::span(memory), Shape{2, 4});
      },
      {"borrow: shape [2, 4] wants 8 elements, the span has 6"});
  expect_invalid([&] { (void)borrow(memory.data(), Shape{-1, -6}); }, {"borrow: an extent is negative: [-1, -6]"});
  expect_invalid([&] { (void)borrow(static_cast<float*>(nullptr), Shape{1}); }, {"borrow: no memory for 1 elements"});
  auto* odd = reinterpret_cast<float*>(reinterpret_cast<char*>(memory.data()) + 1);
  expect_invalid([&] { (void)borrow(odd, Shape{1}); }, {"borrow: the memory is not aligned to 4 bytes"});
  CHECK_THROWS_AS((void)borrow(memory.data(), Shape{6}, Device::cuda()), Error);
}
