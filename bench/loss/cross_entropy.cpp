/// Speed of cross_entropy, after its results have been checked: see support/op_bench.hpp.
#include <quern/loss/cross_entropy.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

constexpr double smoothing = 0.1;

/// Labels, drawn once, and weights of the classes that differ from each other.
const Ids& labels_for(std::int64_t rows, std::int64_t classes) {
  static std::map<std::int64_t, Ids> drawn;
  Ids& labels = drawn[rows];
  if (labels.size() > 0) return labels;
  labels = Ids(rows);
  for (std::int64_t b = 0; b < rows; ++b)
    labels(b) = std::int32_t(Random(3).below(std::uint64_t(classes), 0, std::uint64_t(b)));
  return labels;
}
template <class T>
CrossEntropyOptions<T> options_for(std::int64_t classes) {
  CrossEntropyOptions<T> options{Tensor<T, 1>(classes), smoothing};
  for (std::int64_t c = 0; c < classes; ++c) options.class_weights(c) = T(1 + double(c % 3));
  return options;
}

template <class T>
CrossEntropyForward<T> forward(const Tensor<T, 2>& x) {
  return cross_entropy_forward(x, labels_for(x.extent(0), x.extent(1)), options_for<T>(x.extent(1)));
}

struct Op {
  template <class T>
  auto operator()(const Tensor<T, 2>& x) const {
    return forward(x).loss;
  }
  template <class T>
  auto operator()(const Tensor<Recorded<T>, 2>& x) const {
    return cross_entropy(x, labels_for(x.extent(0), x.extent(1)), options_for<T>(x.extent(1)));
  }
};

const auto naive = [](const Tensor<double, 2>& x) {
  const auto& labels = labels_for(x.extent(0), x.extent(1));
  const double classes = double(x.extent(1));
  double loss = 0, total = 0;
  for (std::int64_t b = 0; b < x.extent(0); ++b) {
    double sum = 0;
    for (std::int64_t c = 0; c < x.extent(1); ++c) sum += std::exp(x(b, c));
    for (std::int64_t c = 0; c < x.extent(1); ++c) {
      const double target = (c == labels(b) ? 1 - smoothing : 0) + smoothing / classes, weight = 1 + double(c % 3);
      loss += target * weight * (std::log(sum) - x(b, c));
    }
    total += 1 + double(labels(b) % 3);
  }
  return Tensor<double, 0>::of(Shape<0>{}, {loss / total});
};

/// Reads the logits and writes probabilities; backward reads these and writes dlogits.
bool row(std::int64_t rows, std::int64_t classes) {
  const double bytes = 8.0 * double(rows * classes);
  return bench::add_op(
      {"cross_entropy", text_of(rows, "x", classes), {.bytes = bytes}, {.bytes = bytes}}, Op{}, naive,
      [] { return std::tuple{bench::uniform_tensor(1, 3, 5)}; },
      [=] { return std::tuple{bench::uniform_tensor(1, rows, classes)}; },
      [](const auto& x) {
        return
            [saved = forward(x).saved](const auto& dy) { benchmark::DoNotOptimize(cross_entropy_backward(dy, saved)); };
      });
}

const bool registered = row(50, 2) && row(2048, 1000);

}  // namespace
