// A program with features in its own Eigen matrices trains a small classifier on them and gets predictions back as an
// Eigen vector. Quern works on the program's memory: nothing is copied in, nothing is copied out.
//
//   build/embed                    prints the net, the loss on the way and the accuracy on points it has not seen
#include <cstdio>
#include <random>

#include <quern/cpu/eigen.hpp>
#include <quern/quern.hpp>

// What was there before Quern: measurements in three classes, one row each.
using Features = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
struct Measurements {
  Features features;      // [B, 4]
  Eigen::VectorXi label;  // [B]: 0, 1 or 2
};

Measurements measure(int n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> noise(0, 0.6f);
  Measurements m{Features(n, 4), Eigen::VectorXi(n)};
  for (int i = 0; i < n; ++i) {
    m.label(i) = i % 3;
    for (int j = 0; j < 4; ++j) m.features(i, j) = noise(random) + (j == m.label(i) ? 2.0f : 0.0f);
  }
  return m;
}

template <class T = float>
struct Classifier {
  quern::nn::Linear<T> hidden{4, 16}, out{16, 3};
  static void visit(auto&& f, auto&... m) { f("hidden", m.hidden...), f("out", m.out...); }
  auto operator()(const auto& x) const { return out(relu(hidden(x))); }  // [B, 4] → [B, 3]
};

int main() {
  using namespace quern;
  Measurements train = measure(300, 1), test = measure(300, 2);
  const auto x = borrow(train.features);  // Tensor<float, 2> over the matrix: must not outlive it
  const auto label = borrow(train.label);

  Classifier<> model;
  initialise(model, 1);
  std::fputs(summary(model).c_str(), stdout);
  Classifier<> grads = zeros_like(model);
  Adam adam(model, {.rate = 0.01});
  for (int step = 0; step < 100; ++step) {
    Tape tape;
    const auto loss = cross_entropy(tape.watch(model, grads)(x), label);
    tape.backward(loss);
    adam.step(model, grads);
    if (step % 25 == 0) std::printf("step %2d  loss %.4f\n", step, loss.item());
  }

  // Back to Eigen: a map of the result, and from it whatever the program wants.
  const auto probabilities = softmax(model(borrow(test.features)));  // [B, 3]
  const auto p = cpu::eigen_map(probabilities);
  Eigen::VectorXi predicted(p.rows());
  Eigen::VectorXf confidence(p.rows());
  for (Eigen::Index i = 0; i < p.rows(); ++i) confidence(i) = p.row(i).maxCoeff(&predicted(i));

  const auto right = (predicted.array() == test.label.array()).count();
  std::printf("%d of %d right, mean confidence %.3f\n", int(right), int(p.rows()), double(confidence.mean()));
  return right > 280 ? 0 : 1;
}
