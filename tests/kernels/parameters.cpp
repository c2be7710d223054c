#include <doctest/doctest.h>

#include <quern/autograd/tape.hpp>
#include <quern/optim/adam.hpp>
#include <quern/optim/clip.hpp>
#include <quern/optim/lamb.hpp>
#include <quern/optim/sgd.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/gradients.hpp"

using namespace test;

namespace {

/// More parameters than one launch takes, of sizes around those of vectors, rows and chunks.
template <class T>
struct Many {
  std::vector<Tensor<T, 2>> tables;
  static void visit(auto&& f, auto&... m) { f("tables", m.tables...); }
};

struct One {
  Tensor<float, 1> w;
  static void visit(auto&& f, auto&... m) { f("w", m.w...); }
};

template <class T>
Many<T> many() {
  Many<double> model;
  const std::int64_t sizes[][2] = {{1, 1},   {3, 5},    {1, 8191}, {1, 4096}, {4097, 1}, {17, 16},
                                   {40, 19}, {300, 33}, {9, 1025}, {7, 7},    {1, 3},    {64, 128}};
  for (std::uint32_t i = 0; i < 70; ++i) {
    const auto& size = sizes[i < 40 ? i % 2 : i % 12];
    model.tables.push_back(drawn(Shape{size[0], size[1]}, i));
  }
  return cast<T>(model);
}

/// Gradients on the host: of every third parameter all of it, of the others some rows.
template <class T>
void fill(Many<T>& grads, std::uint32_t t) {
  for (std::uint32_t i = 0; i < grads.tables.size(); ++i) {
    auto& g = grads.tables[i];
    zero(g);
    const auto from = drawn(g.shape(), 1000 * t + i);
    const bool all = i % 3 == 0;
    g.storage()->touched->all = all;
    for (std::int32_t r = 0; r < g.extent(0); ++r) {
      if (!all && (r + std::int32_t(t + i)) % 3) continue;
      touch_row(g, r);
      for (std::int64_t c = 0; c < g.extent(1); ++c) g(r, c) = T(float(from(r, c)));
    }
  }
}

/// The largest difference between the two, which compute in the same order but may fuse differently.
template <class T>
double difference(const Many<T>& on_device, const Many<T>& on_host) {
  double most = 0;
  const auto a = to(on_device, Device::cpu());
  for (std::size_t i = 0; i < a.tables.size(); ++i)
    for (std::int64_t k = 0; k < a.tables[i].size(); ++k)
      most = std::max(most, std::abs(double(a.tables[i].data()[k]) - double(on_host.tables[i].data()[k])));
  return most;
}

template <class T>
void expect_as_on_the_host(auto&& make, double bound) {
  auto model = many<T>();
  auto there = to(model, test_device());
  auto made = zeros_like(model), grads = zeros_like(there);
  auto on_host = make(model), on_gpu = make(there);
  for (std::uint32_t t = 0; t < 3; ++t) {
    fill(made, t);
    put_gradients(grads, made);
    on_host.step(model, made), on_gpu.step(there, grads);
    CHECK(difference(grads, zeros_like(model)) == 0);
    for (auto& g : grads.tables) CHECK(listed_rows(g).empty());
  }
  CHECK(difference(there, many<T>()) > 0.01);
  CHECK(difference(there, model) <= bound);
}

}  // namespace

TEST_CASE_TEMPLATE("70 parameters are stepped as on the host, row-sparse and dense", T, float, bf16) {
  const double bound = std::is_same_v<T, float> ? 1e-6 : 0x1p-7;  // one rounding may go the other way
  for (bool amsgrad : {false, true})
    expect_as_on_the_host<T>(
        [&](const auto& m) {
          return Adam(m, {.rate = 0.01, .weight_decay = 0.1, .decoupled = true, .amsgrad = amsgrad});
        },
        bound);
  expect_as_on_the_host<T>([](const auto&) { return Sgd{.rate = 0.1}; }, bound);
  expect_as_on_the_host<T>([](const auto&) { return Sgd{.rate = 0.1, .weight_decay = 0.1}; }, bound);
  expect_as_on_the_host<T>([](const auto& m) { return Momentum(m, {.rate = 0.1, .nesterov = true}); }, bound);
  expect_as_on_the_host<T>([](const auto& m) { return Lamb(m, {.rate = 0.1, .weight_decay = 0.1}); }, bound);
}

TEST_CASE_TEMPLATE("70 gradients are clipped as on the host", T, float, bf16) {
  auto made = zeros_like(many<T>()), grads = zeros_like(to(many<T>(), test_device()));
  fill(made, 1);
  put_gradients(grads, made);
  const double norm = global_norm(made);
  CHECK(global_norm(grads) == doctest::Approx(norm).epsilon(1e-6));
  CHECK(clip_global_norm(grads, norm / 3) == doctest::Approx(norm).epsilon(1e-6));
  clip_global_norm(made, norm / 3);
  CHECK(difference(grads, made) <= (std::is_same_v<T, float> ? 1e-6 : 0x1p-9));
  CHECK(clip_global_norm(grads, norm) < norm / 2);
  CHECK(difference(grads, made) <= (std::is_same_v<T, float> ? 1e-6 : 0x1p-9));
  clip_value(grads, 0.125), clip_value(made, 0.125);
  scale_gradients(grads, 3), scale_gradients(made, 3);
  CHECK(difference(grads, made) <= (std::is_same_v<T, float> ? 4e-6 : 0x1p-7));
}

TEST_CASE("parameters that do not begin at a multiple of 16 bytes are stepped one element at a time") {
  for (std::int64_t shift : {0, 1, 2, 3}) {
    const std::int64_t n = 4099;
    const auto start = to(cast<float>(Many<double>{{drawn(Shape{1, n + 4}, 1)}}), test_device());
    auto memory = start.tables[0];
    One model{Tensor<float, 1>::adopt(
        Storage::borrow(memory.data() + shift, std::size_t(n) * sizeof(float), memory.device()), Shape<1>{n})};
    One other = model, grads = zeros_like(model), other_grads = zeros_like(other);
    for (auto* g : {&grads, &other_grads}) accumulate(g->w, other.w);
    Sgd{.rate = 0.5}.step(model, grads), Sgd{.rate = 0.5}.step(other, other_grads);
    CHECK(same_bits(model.w, other.w));
    const auto before = on_host(start.tables[0]), after = on_host(memory);
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < n + 4; ++i)
      wrong += after(0, i) != (i >= shift && i < shift + n ? before(0, i) / 2 : before(0, i));
    CHECK(wrong == 0);
  }
}

TEST_CASE("a gradient on another device than its parameter is refused") {
  Tensor<float, 1> on_host(3), w = on_host.to(test_device());
  const auto message = message_of<InvalidArgument>([&] { Tape().watch(w, on_host); });
  expect_message(message, {text_of("watch: the gradient of ", " is on cpu, the parameter on ", test_device())});
  expect_message(message_of<InvalidArgument>([&] { accumulate(w, on_host); }),
                 {text_of("accumulate: one is on ", test_device(), ", the other on cpu")});
}
