/// What benchmarks of optimizers share: a table of word vectors, its gradients, and a check before the time.
///
///   bench::step_row("lamb", {20000, 300}, bench::Rows::sixth, 8, make, formula);
///
///   make(model)            an optimizer
///   formula(w, gradients)  three steps in double: changes w [rows, columns], given the gradients of the steps
#pragma once
#include <vector>

#include <quern/tensor/accumulate.hpp>
#include <quern/tensor/walk.hpp>

#include "support/op_bench.hpp"

namespace quern::bench {

/// A table of word vectors alone.
template <class T = float>
struct Table {
  Tensor<T, 2> weight;
  static void visit(auto&& f, auto&... m) { f("weight", m.weight...); }
};

/// The rows that have a gradient: all, as in a layer; every sixth, as in an embedding; or every sixth for a long time,
/// in which the moments of the others fade.
enum class Rows { all, sixth, sixth_for_long };

/// Marks the rows as written without writing them.
inline void touch(Table<>& grads, Rows rows) {
  if (rows == Rows::all) {
    grads.weight.storage()->touched->all = true;
  } else {
    for (std::int64_t r = 0; r < grads.weight.extent(0); r += 6) touch_row(grads.weight, std::int32_t(r));
  }
}

/// Writes the gradient of step t.
inline void fill_gradient(Table<>& grads, std::uint32_t t, Rows rows) {
  auto& g = grads.weight;
  touch(grads, rows);
  for (std::int64_t r = 0; r < g.extent(0); r += rows == Rows::all ? 1 : 6)
    for (std::int64_t c = 0; c < g.extent(1); ++c)
      g(r, c) = 2 * Random(8).uniform(t, std::uint64_t(r * g.extent(1) + c)) - 1;
}

/// How far three steps take the weights, next to the formula in double: the norm-wise error.
double error_of_step(Shape<2> shape, Rows rows, auto&& make, auto&& formula) {
  Table<> model{uniform_tensor(1, shape)};
  const auto start = as_double(model.weight);
  auto grads = zeros_like(model);
  auto optimizer = make(model);
  std::vector<Tensor<double, 2>> gradients;
  for (std::uint32_t t = 1; t <= 3; ++t) {
    fill_gradient(grads, t, rows);
    gradients.push_back(as_double(grads.weight));
    optimizer.step(model, grads);
  }
  auto expected = start, moved = as_double(model.weight);
  formula(expected, gradients);
  for (std::int64_t i = 0; i < start.size(); ++i)
    moved.data()[i] -= start.data()[i], expected.data()[i] -= start.data()[i];
  return distance(moved, expected);
}

/// One row of the benchmark. A step reads or writes each number of the parameter `passes` times, and that of a gradient
/// that is not zero twice: it is read and cleared.
bool step_row(const char* name, Shape<2> shape, Rows rows, int passes, auto&& make, auto&& formula) {
  const double bytes = 4.0 * double(shape.size()) * (passes + (rows == Rows::all ? 2 : 2.0 / 6));
  const char* which = rows == Rows::all ? "dense" : rows == Rows::sixth ? "every sixth row" : "2000 steps later";
  add(text_of(name, '/', shape, '/', which), [=](benchmark::State& state) {
    for (Shape<2> checked : {Shape{std::int64_t(13), std::int64_t(5)}, shape})
      if (!(error_of_step(checked, rows, make, formula) <= 1e-4))
        return state.SkipWithError("the weights differ from the formula in double");
    Table<> model{uniform_tensor(1, shape)};
    auto grads = zeros_like(model);
    auto optimizer = make(model);
    fill_gradient(grads, 1, Rows::all);
    optimizer.step(model, grads);  // the moments are no longer zero
    for (int t = 0; rows == Rows::sixth_for_long && t < 2000; ++t) touch(grads, rows), optimizer.step(model, grads);
    measure(state, {.bytes = bytes}, [&] {
      touch(grads, rows);
      optimizer.step(model, grads);
    });
  });
  return true;
}

}  // namespace quern::bench
