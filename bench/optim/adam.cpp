/// Speed of a step of Adam, after three steps have been checked against the formula in double: see
/// support/op_bench.hpp.
#include <quern/optim/adam.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

/// A table of word vectors alone.
template <class T = float>
struct Table {
  Tensor<T, 2> weight;
  static void visit(auto&& f, auto&... m) { f("weight", m.weight...); }
};

/// Writes the gradient of step t into every row, or, as an embedding does, into every sixth.
void fill_gradient(Table<>& grads, std::uint32_t t, bool sparse) {
  auto& g = grads.weight;
  for (std::int64_t r = 0; r < g.extent(0); r += sparse ? 6 : 1) {
    if (sparse) touch_row(g, std::int32_t(r));
    for (std::int64_t c = 0; c < g.extent(1); ++c)
      g(r, c) = 2 * Random(8).uniform(t, std::uint64_t(r * g.extent(1) + c)) - 1;
  }
  if (!sparse) g.storage()->touched->all = true;
}

/// How far three steps take the weights, next to the formula of Kingma & Ba in double: the norm-wise error.
double worst_error(Shape<2> shape, bool sparse) {
  Table<> model{bench::uniform_tensor(1, shape)};
  const auto start = bench::as_double(model.weight);
  auto grads = zeros_like(model);
  Adam adam(model);
  auto w = start;
  Tensor<double, 2> m(shape), v(shape);
  for (std::uint32_t t = 1; t <= 3; ++t) {
    fill_gradient(grads, t, sparse);
    for (std::int64_t i = 0; i < w.size(); ++i) {
      const double g = grads.weight.data()[i];
      double &mi = m.data()[i], &vi = v.data()[i];
      mi = 0.9 * mi + 0.1 * g, vi = 0.999 * vi + 0.001 * g * g;
      w.data()[i] -= 1e-3 * (mi / (1 - std::pow(0.9, t))) / (std::sqrt(vi / (1 - std::pow(0.999, t))) + 1e-8);
    }
    adam.step(model, grads);
  }
  auto moved = bench::as_double(model.weight);
  for (std::int64_t i = 0; i < w.size(); ++i) moved.data()[i] -= start.data()[i], w.data()[i] -= start.data()[i];
  return bench::distance(moved, w);
}

/// A step reads weight and two moments and writes them; with a dense gradient it reads and clears that too.
bool row(Shape<2> shape, bool sparse) {
  const double bytes = 4.0 * double(shape.size()) * (sparse ? 6.0 + 2.0 / 6 : 8);
  bench::add(text_of("adam/", shape, sparse ? "/every sixth row" : "/dense"), [=](benchmark::State& state) {
    if (!(worst_error({13, 5}, sparse) <= 1e-4) || !(worst_error(shape, sparse) <= 1e-4))
      return state.SkipWithError("the weights differ from the formula in double");
    Table<> model{bench::uniform_tensor(1, shape)};
    auto grads = zeros_like(model);
    Adam adam(model);
    fill_gradient(grads, 1, sparse);
    adam.step(model, grads);  // the moments are no longer zero
    bench::measure(state, {.bytes = bytes}, [&] {
      if (sparse)
        for (std::int64_t r = 0; r < shape[0]; r += 6) touch_row(grads.weight, std::int32_t(r));
      else
        grads.weight.storage()->touched->all = true;
      adam.step(model, grads);
    });
  });
  return true;
}

const bool registered = row({20000, 300}, true) && row({768, 3072}, false);  // the text CNN's table; BERT's layer

}  // namespace
