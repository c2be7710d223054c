/// Speed of focal_loss, after its results have been checked: see support/op_bench.hpp.
#include <quern/loss/focal_loss.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

/// Labels, drawn once for each number of rows.
const Ids& labels_for(const Shape<2>& shape) {
  static std::map<std::int64_t, Ids> drawn;
  Ids& labels = drawn[shape[0]];
  if (labels.size() > 0) return labels;
  labels = Ids(shape[0]);
  for (std::int64_t b = 0; b < shape[0]; ++b)
    labels(b) = std::int32_t(Random(3).below(std::uint64_t(shape[1]), 0, std::uint64_t(b)));
  return labels;
}

struct Op {
  template <class T>
  auto operator()(const Tensor<T, 2>& x) const {
    return focal_loss(x, labels_for(x.shape()));
  }
  template <class T>
  auto operator()(const Tensor<Recorded<T>, 2>& x) const {
    return focal_loss(x, labels_for(x.shape()));
  }
};

const auto naive = [](const Tensor<double, 2>& x) {
  double loss = 0;
  for (std::int64_t b = 0; b < x.extent(0); ++b) {
    double sum = 0;
    for (std::int64_t c = 0; c < x.extent(1); ++c) sum += std::exp(x(b, c));
    const double p = std::exp(x(b, labels_for(x.shape())(b))) / sum;
    loss -= (1 - p) * (1 - p) * std::log(p);
  }
  return Tensor<double, 0>::of(Shape<0>{}, {loss / double(x.extent(0))});
};

/// Reads the logits and writes probabilities; backward reads these and writes dlogits.
bool row(std::int64_t rows, std::int64_t columns) {
  const double n = double(rows * columns);
  return bench::add_op(
      {"focal_loss", text_of(rows, "x", columns), {.bytes = 8.0 * n}, {.bytes = 8.0 * n}}, Op{}, naive,
      [] { return std::tuple{bench::uniform_tensor(1, 3, 5)}; },
      [=] { return std::tuple{bench::uniform_tensor(1, rows, columns)}; },
      [](const auto& x) {
        return [saved = focal_loss_forward(x, labels_for(x.shape())).saved](const auto& dy) {
          benchmark::DoNotOptimize(focal_loss_backward(dy, saved));
        };
      });
}

const bool registered = row(50, 2) && row(2048, 64);

}  // namespace
