// Trains a two-layer net with no tape: every backward function is called by hand, in the reverse of the order in which
// the forward functions were called. 02_same_with_tape.cpp does the same through the tape; a test asserts that both end
// with the same bits.
//
//   build/release/bin/01_hand_backward          prints the loss on the way and the parameters at the end
#include "two_rings.hpp"

int main() {
  using namespace quern;
  const auto [x, label] = two_rings(200);  // [B, 2], [B]
  Net<> net;
  initialise(net, 1);
  Net<> grads = zeros_like(net);  // gradients are a net too: grads.out.weight is the gradient of net.out.weight
  const Sgd sgd{.rate = 0.5};

  for (int step = 0; step < 100; ++step) {
    // Forward. Each op gives its result and what its own backward will need.
    auto [h, h_saved] = linear_forward(x, net.hidden.weight, net.hidden.bias, Activation::relu);  // [B, 16]
    auto [logits, logits_saved] = linear_forward(h, net.out.weight, net.out.bias);                // [B, 2]
    auto [loss, loss_saved] = cross_entropy_forward(logits, label);                               // []

    // Backward: the chain rule, from the loss to the first layer. `d` stands for the gradient of the loss.
    const auto dloss = Tensor<float, 0>::of(Shape<0>{}, {1});
    const auto dlogits = cross_entropy_backward(dloss, loss_saved);        // [B, 2]
    auto out = linear_backward(dlogits, h, net.out.weight, logits_saved);  // dx is dh: [B, 16]
    auto hidden = linear_backward(out.x, x, net.hidden.weight, h_saved);
    accumulate(grads.out.weight, out.weight);
    accumulate(grads.out.bias, out.bias);
    accumulate(grads.hidden.weight, hidden.weight);
    accumulate(grads.hidden.bias, hidden.bias);

    if (step % 20 == 0) std::fprintf(stderr, "step %3d  loss %.4f\n", step, loss.item());
    sgd.step(net, grads);
  }
  print_bits(net);
}
