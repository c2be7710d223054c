/// A small model with an embedding, and optimizers written from their formulas in double, one element at a time.
///
///   Reference r(model, {.kind = Kind::adam, .rate = 0.01});
///   r.step(gradient_of_step(model, t));
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <quern/tensor/accumulate.hpp>
#include <quern/tensor/walk.hpp>

#include "support/draw.hpp"
#include "support/gradients.hpp"

using namespace test;

template <class T>
struct Model {
  Tensor<T, 2> table, weight;
  Tensor<T, 1> bias, none;
  double setting = 7;
  static void visit(auto&& f, auto&... m) {
    f("table", m.table...), f("weight", m.weight...), f("bias", m.bias...), f("none", m.none...);
    f("setting", m.setting...);
  }
};

template <class T>
Model<T> make_model() {
  return to(cast<T>(Model<double>{drawn(Shape{37, 19}, 1), drawn(Shape{5, 11}, 2), drawn(Shape{5}, 3), {}}),
            test_device());
}

/// Fills `grads` with the gradient of step t: every element of weight and bias, and some rows of the table, which are
/// listed (or, when `dense`, the whole table is marked as written).
template <class T>
void fill_gradients(Model<T>& grads, std::uint32_t t, bool dense = false) {
  if (grads.weight.device().is_cuda()) {
    auto made = zeros_like(to(grads, Device::cpu()));
    fill_gradients(made, t, dense);
    return put_gradients(grads, made);
  }
  auto fill = [&](auto& g, std::uint32_t stream) {
    for (std::int64_t i = 0; i < g.size(); ++i)
      g.data()[i] = T(2 * Random(5, Purpose::test, t).uniform(stream, std::uint64_t(i)) - 1);
  };
  auto all = grads.table;
  fill(grads.weight, 1), fill(grads.bias, 2), fill(all, 3);
  for (auto* g : {&grads.weight}) g->storage()->touched->all = true;
  grads.bias.storage()->touched->all = true;
  const auto ids = drawn_ids(1 + t % 9, 37, 100 + t);
  for (auto row : ids.span()) {
    touch_row(grads.table, row);
    std::copy_n(all.rows().row(row), 19, grads.table.rows().row(row));
  }
  if (dense) grads.table.storage()->touched->all = true;
}

struct Settings {
  enum class Kind { sgd, adam, adamw } kind;
  double rate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, decay = 0;
};

/// One parameter's state and its next value.
struct ReferenceParameter {
  std::vector<double> w, m, v;

  template <class T>
  void step(const Settings& s, std::int64_t t, std::span<const T> gradient) {
    for (std::size_t i = 0; i < w.size(); ++i) {
      double g = double(gradient[i]);
      if (s.kind != Settings::Kind::adamw) g += s.decay * w[i];
      if (s.kind == Settings::Kind::sgd) {
        w[i] -= s.rate * g;
        continue;
      }
      if (s.kind == Settings::Kind::adamw) w[i] *= 1 - s.rate * s.decay;
      m[i] = s.beta1 * m[i] + (1 - s.beta1) * g;
      v[i] = s.beta2 * v[i] + (1 - s.beta2) * g * g;
      const double mean = m[i] / (1 - std::pow(s.beta1, double(t))), square = v[i] / (1 - std::pow(s.beta2, double(t)));
      w[i] -= s.rate * mean / (std::sqrt(square) + s.epsilon);
    }
  }
};

class Reference {
 public:
  template <class T>
  Reference(const Model<T>& model, const Settings& settings) : settings_(settings) {
    const auto on_host = to(model, Device::cpu());
    walk_tensors(
        [&](const Path&, const auto& w) {
          const std::vector<double> zeros(std::size_t(w.size()));
          parameters_.push_back({{w.span().begin(), w.span().end()}, zeros, zeros});
        },
        on_host);
  }

  template <class T>
  void step(const Model<T>& grads) {
    ++steps_;
    std::size_t i = 0;
    const auto on_host = to(grads, Device::cpu());
    walk_tensors([&](const Path&, const auto& g) { parameters_[i++].step(settings_, steps_, g.span()); }, on_host);
  }

  /// Largest distance of any weight.
  template <class T>
  double distance(const Model<T>& model) const {
    double largest = 0;
    std::size_t p = 0;
    const auto on_host = to(model, Device::cpu());
    walk_tensors(
        [&](const Path&, const auto& w) {
          for (std::int64_t i = 0; i < w.size(); ++i)
            largest = std::max(largest, std::abs(double(w.data()[i]) - parameters_[p].w[std::size_t(i)]));
          ++p;
        },
        on_host);
    return largest;
  }

 private:
  Settings settings_;
  std::int64_t steps_ = 0;
  std::vector<ReferenceParameter> parameters_;
};

/// Every gradient is zero, and the table's has an empty list again.
template <class T>
void expect_zero(Model<T>& grads) {
  walk_tensors(
      [](const Path& path, const auto& g) {
        std::int64_t nonzero = 0;
        const auto values = on_host(g);
        for (auto v : values.span()) nonzero += v != 0;
        CHECK_MESSAGE(nonzero == 0, path.text());
      },
      grads);
  CHECK(is_row_sparse(grads.table));
  CHECK(listed_rows(grads.table).empty());
}

/// The same bits in every parameter.
template <class M>
void expect_same_models(const M& a, const M& b) {
  walk_tensors([](const Path& path, const auto& x, const auto& y) { CHECK_MESSAGE(same_bits(x, y), path.text()); }, a,
               b);
}

/// How many elements lie between zero and the smallest normal number.
template <class M>
std::int64_t subnormal_elements(const M& model) {
  std::int64_t n = 0;
  walk_tensors(
      [&](const Path&, const auto& w) {
        const auto values = on_host(w);
        for (auto v : values.span()) n += std::fpclassify(v) == FP_SUBNORMAL;
      },
      model);
  return n;
}

/// Steps a sparse and a dense copy of a model with the same gradients, for each number of threads: the same bits in the
/// models and in the optimizers. `make(model)` gives an optimizer.
template <class T>
void expect_sparse_steps_as_dense(auto&& make) {
  Model<T> first;
  for (int threads : {1, 2, 5}) {
    set_threads(threads);
    auto sparse = make_model<T>(), dense = make_model<T>();
    auto sparse_grads = zeros_like(sparse), dense_grads = zeros_like(dense);
    auto a = make(sparse), b = make(dense);
    for (std::uint32_t t = 0; t < 20; ++t) {
      fill_gradients(sparse_grads, t), fill_gradients(dense_grads, t, true);
      CHECK(is_row_sparse(sparse_grads.table));
      CHECK_FALSE(is_row_sparse(dense_grads.table));
      a.step(sparse, sparse_grads), b.step(dense, dense_grads);
      expect_zero(sparse_grads);
    }
    expect_same_models(sparse, dense);
    expect_same_models(a, b);
    CHECK_FALSE(same_bits(sparse.table, make_model<T>().table));
    if (threads == 1) first = sparse;
    expect_same_models(sparse, first);
  }
}
