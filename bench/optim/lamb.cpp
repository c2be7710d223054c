/// Speed of a step of LAMB, checked against Algorithm 2 of You et al. (2020): see optim/table.hpp.
#include <quern/optim/lamb.hpp>

#include "optim/table.hpp"

namespace {

using namespace quern;

void formula(Tensor<double, 2>& w, const std::vector<Tensor<double, 2>>& gradients) {
  Tensor<double, 2> m(w.shape()), v(w.shape()), u(w.shape());
  for (std::size_t t = 1; t <= gradients.size(); ++t) {
    double weight = 0, direction = 0;
    for (std::int64_t i = 0; i < w.size(); ++i) {
      const double g = gradients[t - 1].data()[i];
      double &mi = m.data()[i], &vi = v.data()[i], &x = w.data()[i];
      mi = 0.9 * mi + 0.1 * g, vi = 0.999 * vi + 0.001 * g * g;
      const double mean = mi / (1 - std::pow(0.9, t)), square = vi / (1 - std::pow(0.999, t));
      u.data()[i] = mean / (std::sqrt(square) + 1e-6) + 0.01 * x;
      weight += x * x, direction += u.data()[i] * u.data()[i];
    }
    for (std::int64_t i = 0; i < w.size(); ++i) w.data()[i] -= 1e-3 * std::sqrt(weight / direction) * u.data()[i];
  }
}

bool row(Shape<2> shape, bench::Rows rows) {  // pass 1: w, m, v, and writes m, v; pass 2: w, m, v, and writes w
  return bench::step_row(
      "lamb", shape, rows, 9, [](const auto& model) { return Lamb(model, {.weight_decay = 0.01}); }, formula);
}

const bool registered = row({20000, 300}, bench::Rows::sixth) && row({768, 3072}, bench::Rows::all);

}  // namespace
