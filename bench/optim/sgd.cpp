/// Speed of a step of SGD with momentum, checked against its formula: see optim/table.hpp.
#include <quern/optim/sgd.hpp>

#include "optim/table.hpp"

namespace {

using namespace quern;

void formula(Tensor<double, 2>& w, const std::vector<Tensor<double, 2>>& gradients) {
  Tensor<double, 2> u(w.shape());
  for (const auto& g : gradients)
    for (std::int64_t i = 0; i < w.size(); ++i) {
      u.data()[i] = 0.9 * u.data()[i] + g.data()[i];
      w.data()[i] -= 0.01 * (g.data()[i] + 0.9 * u.data()[i]);
    }
}

bool row(Shape<2> shape, bench::Rows rows) {  // reads and writes weight and velocity
  return bench::step_row(
      "momentum", shape, rows, 4, [](const auto& model) { return Momentum(model, {.nesterov = true}); }, formula);
}

const bool registered = row({20000, 300}, bench::Rows::sixth) && row({20000, 300}, bench::Rows::sixth_for_long) &&
                        row({768, 3072}, bench::Rows::all);

}  // namespace
