#include <quern/optim/clip.hpp>

#include <algorithm>
#include <limits>

#include "optim/reference.hpp"
#include "support/expect_invalid.hpp"

namespace {

template <class T>
double naive_norm(const Model<T>& model) {
  const auto grads = to(model, Device::cpu());
  long double sum = 0;
  walk_tensors(
      [&](const Path&, const auto& g) {
        for (auto v : g.span()) sum += (long double)(double(v)) * double(v);
      },
      grads);
  return double(std::sqrt(sum));
}

}  // namespace

TEST_CASE_TEMPLATE("the norm is that of all gradients, sparse or dense", T, QUERN_TEST_REALS) {
  for (bool dense : {false, true}) {
    auto grads = zeros_like(make_model<T>());
    CHECK(global_norm(grads) == 0);
    fill_gradients(grads, 3, dense);
    CHECK(global_norm(grads) == doctest::Approx(naive_norm(grads)).epsilon(std::is_same_v<T, double> ? 1e-14 : 1e-6));
  }
}

TEST_CASE("the norm of many elements keeps its digits") {
  Model<float> grads;
  grads.table = Tensor<float, 2>(Shape{100, 1001}, test_device());
  grads.table.fill(0.1f);
  CHECK(global_norm(grads) == doctest::Approx(naive_norm(grads)).epsilon(1e-5));
}

TEST_CASE_TEMPLATE("the norm has the same bits for a sparse gradient and a dense one, and for any number of threads", T,
                   QUERN_TEST_NUMBERS) {
  const auto touched = drawn_ids(500, 3000, 4);
  double first = 0;
  for (int threads : {1, 2, 5}) {
    set_threads(threads);
    Model<T> sparse, dense;
    for (auto* model : {&sparse, &dense}) {
      model->table = Tensor<T, 2>(3000, 19);
      *model = zeros_like(*model);
      if (model == &dense) model->table.storage()->touched->all = true;
      for (auto row : touched.span()) {
        touch_row(model->table, row);
        for (std::int64_t c = 0; c < 19; ++c) model->table(row, c) = T(float(row + c) / 100);
      }
    }
    REQUIRE(is_row_sparse(sparse.table));
    REQUIRE_FALSE(is_row_sparse(dense.table));
    for (auto* model : {&sparse, &dense}) {
      if (!has_cuda) break;
      auto there = zeros_like(to(*model, test_device()));
      put_gradients(there, *model);
      *model = std::move(there);
    }
    if (threads == 1) first = global_norm(dense);
    CHECK(global_norm(sparse) == first);
    CHECK(global_norm(dense) == first);
    CHECK(first == doctest::Approx(naive_norm(dense)).epsilon(1e-6));
  }
}

TEST_CASE_TEMPLATE("scaling and clipping by value visit every element that may be non-zero", T, QUERN_TEST_NUMBERS) {
  for (bool dense : {false, true}) {
    auto grads = zeros_like(make_model<T>());
    fill_gradients(grads, 3, dense);
    const auto before = to(grads, Device::cpu());
    scale_gradients(grads, 0.25);
    auto scaled = to(grads, Device::cpu());
    walk_tensors(
        [](const Path&, const auto& g, const auto& b) {
          std::int64_t wrong = 0;
          for (std::int64_t i = 0; i < g.size(); ++i) wrong += float(g.data()[i]) != float(b.data()[i]) / 4;
          CHECK(wrong == 0);
        },
        scaled, before);
    fill_gradients(grads, 3, dense);
    clip_value(grads, 0.5);
    std::int64_t cut = 0;
    scaled = to(grads, Device::cpu());
    walk_tensors(
        [&](const Path&, const auto& g, const auto& b) {
          std::int64_t wrong = 0;
          for (std::int64_t i = 0; i < g.size(); ++i) {
            wrong += double(g.data()[i]) != std::clamp(double(b.data()[i]), -0.5, 0.5);
            cut += double(g.data()[i]) != double(b.data()[i]);
          }
          CHECK(wrong == 0);
        },
        scaled, before);
    CHECK(cut > 20);
    CHECK(is_row_sparse(grads.table) == !dense);
    auto bias = on_host(grads.bias);
    bias(1) = T(std::nanf(""));
    if (has_cuda) grads.bias = on_device(bias);
    clip_value(grads, 0.5);
    CHECK(std::isnan(float(on_host(grads.bias)(1))));
  }
}

TEST_CASE_TEMPLATE("clipping scales all gradients alike, and only down", T, QUERN_TEST_REALS) {
  auto grads = zeros_like(make_model<T>());
  fill_gradients(grads, 3);
  const auto before = grads;
  const double norm = global_norm(grads);
  CHECK(clip_global_norm(grads, norm * 1.001) == norm);
  expect_same_models(grads, before);
  CHECK(clip_global_norm(grads, norm / 4) == norm);
  CHECK(global_norm(grads) == doctest::Approx(norm / 4).epsilon(1e-6));
  const auto scaled = to(grads, Device::cpu()), unscaled = to(before, Device::cpu());
  walk_tensors(
      [](const Path& path, const auto& g, const auto& b) {
        for (std::int64_t i = 0; i < g.size(); ++i)
          CHECK_MESSAGE(double(g.data()[i]) == doctest::Approx(double(b.data()[i]) / 4).epsilon(1e-6), path.text());
      },
      scaled, unscaled);
  CHECK(is_row_sparse(grads.table));
}

TEST_CASE("a norm that is not finite is given back and nothing is scaled") {
  for (float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    auto grads = zeros_like(make_model<float>());
    fill_gradients(grads, 3);
    auto weight = on_host(grads.weight);
    weight(1, 2) = bad;
    if (has_cuda) grads.weight = on_device(weight);
    const auto before = grads;
    CHECK_FALSE(std::isfinite(clip_global_norm(grads, 1)));
    expect_same_models(grads, before);
  }
}

TEST_CASE("clipping refuses a bound that is not positive") {
  auto grads = zeros_like(make_model<float>());
  for (double norm : {0.0, -1.0, std::nan("")})
    expect_message(message_of<InvalidArgument>([&] { clip_global_norm(grads, norm); }),
                   {"clip_global_norm: expected a positive norm", text_of("got ", norm)});
  expect_message(message_of<InvalidArgument>([&] { clip_value(grads, 0); }), {"clip_value: expected a positive bound"});
}
