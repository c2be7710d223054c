/// Speed of a step of Adam, checked against the formula of Kingma & Ba: see optim/table.hpp. After 2000 steps a row
/// without gradients must cost no more than at the first.
#include <quern/optim/adam.hpp>

#include "optim/table.hpp"

namespace {

using namespace quern;

void formula(Tensor<double, 2>& w, const std::vector<Tensor<double, 2>>& gradients) {
  Tensor<double, 2> m(w.shape()), v(w.shape());
  for (std::size_t t = 1; t <= gradients.size(); ++t)
    for (std::int64_t i = 0; i < w.size(); ++i) {
      const double g = gradients[t - 1].data()[i];
      double &mi = m.data()[i], &vi = v.data()[i];
      mi = 0.9 * mi + 0.1 * g, vi = 0.999 * vi + 0.001 * g * g;
      const double mean = mi / (1 - std::pow(0.9, t)), square = vi / (1 - std::pow(0.999, t));
      w.data()[i] -= 1e-3 * mean / (std::sqrt(square) + 1e-8);
    }
}

bool row(Shape<2> shape, bench::Rows rows) {  // reads and writes weight and two moments
  return bench::step_row(
      "adam", shape, rows, 6, [](const auto& model) { return Adam(model); }, formula);
}

const bool registered = row({20000, 300}, bench::Rows::sixth) &&           // the text CNN's table
                        row({20000, 300}, bench::Rows::sixth_for_long) &&  //
                        row({768, 3072}, bench::Rows::all);                // BERT's layer

}  // namespace
