// The training of 01_hand_backward.cpp through the tape: watching the net gives the same struct over recorded numbers,
// calling it writes down what was computed, and backward() calls the very functions that example 01 calls by hand.
//
//   build/release/bin/02_same_with_tape         prints the loss on the way and the parameters at the end
#include "two_rings.hpp"

int main() {
  using namespace quern;
  const auto [x, label] = two_rings(200);  // [B, 2], [B]
  Net<> net;
  initialise(net, 1);
  Net<> grads = zeros_like(net);
  const Sgd sgd{.rate = 0.5};

  for (int step = 0; step < 100; ++step) {
    Tape tape;
    const auto recorded = tape.watch(net, grads);
    const auto loss = cross_entropy(recorded(x), label);  // []
    tape.backward(loss);
    if (step % 20 == 0) std::fprintf(stderr, "step %3d  loss %.4f\n", step, loss.item());
    sgd.step(net, grads);
  }
  print_bits(net);
}
