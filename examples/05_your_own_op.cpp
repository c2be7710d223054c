// An op of your own, without touching the library: softsign, y = x / (1 + |x|), the activation of Bergstra et al.
// (2009). You write two functions over plain tensors; custom_op makes an op of them that a tape records like any other.
// The program checks the gradient against central differences, then trains a net that uses the op.
//
//   build/release/bin/05_your_own_op            prints the check and the loss on the way
#include "two_rings.hpp"

#include <quern/cpu/eigen.hpp>  // gradcheck computes in double, and Eigen multiplies doubles

namespace {
using namespace quern;

// Forward gives y and what backward will need. dy/dx = 1 / (1 + |x|)², and with s = 1 / (1 + |x|) kept it is s².
const auto softsign_forward = []<class T, int Rank>(const Tensor<T, Rank>& x) {
  auto y = empty_like(x), s = empty_like(x);
  for (std::int64_t i = 0; i < x.size(); ++i) {
    s.data()[i] = 1 / (1 + std::abs(x.data()[i]));
    y.data()[i] = x.data()[i] * s.data()[i];
  }
  return std::pair{std::move(y), std::move(s)};
};

// Backward turns the gradient of y into that of x, by the chain rule: dx = dy · dy/dx.
const auto softsign_backward = []<class T, int Rank>(const Tensor<T, Rank>& dy, const Tensor<T, Rank>& s) {
  auto dx = empty_like(dy);
  for (std::int64_t i = 0; i < dy.size(); ++i) dx.data()[i] = dy.data()[i] * s.data()[i] * s.data()[i];
  return dx;  // of several inputs: std::tuple{dx, dz}
};

// The op. It takes plain and recorded tensors; the name stands in messages and on the tape.
auto softsign(const auto& x) { return custom_op("softsign", softsign_forward, softsign_backward, x); }

template <class T = float>
struct SoftNet {
  nn::Linear<T> hidden{2, 16}, out{16, 2};
  static void visit(auto&& f, auto&... m) { f("hidden", m.hidden...), f("out", m.out...); }
  auto operator()(const auto& x) const { return out(softsign(hidden(x))); }  // [B, 2] → [B, 2]
};

}  // namespace

int main() {
  const Points data = two_rings(200);  // x [B, 2], label [B]
  SoftNet<> net;
  initialise(net, 1);

  // Is the derivative right? The same net in double, every weight moved a little, and the losses compared.
  const SoftNet<double> exact = cast<double>(net);
  auto points = Tensor<double, 2>::empty(data.x.shape());
  for (std::int64_t i = 0; i < points.size(); ++i) points.data()[i] = data.x.data()[i];
  const auto report = gradcheck(exact, [&](const auto& m) { return cross_entropy(m(points), data.label); });
  std::printf("gradcheck: %s, largest error %.0e\n", report.ok() ? "ok" : "wrong", report.largest_error());
  std::fputs(report.text().c_str(), stdout);  // a line for each weight that disagrees: none

  SoftNet<> grads = zeros_like(net);
  Adam adam(net, {.rate = 0.02});
  for (int step = 0; step <= 200; ++step) {
    Tape tape;
    const auto loss = cross_entropy(tape.watch(net, grads)(data.x), data.label);  // []
    tape.backward(loss);
    if (step % 50 == 0) std::printf("step %3d  loss %.4f\n", step, loss.item());
    adam.step(net, grads);
  }
  return report.ok() ? 0 : 1;
}
