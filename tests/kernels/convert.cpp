#include <bit>
#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include <quern/optim/mixed_precision.hpp>

#include "support/draw.hpp"
#include "support/gradients.hpp"

using namespace test;

namespace {

template <class T>
struct Parts {
  Tensor<T, 2> table;
  Tensor<T, 1> bias, none;
  static void visit(auto&& f, auto&... m) { f("table", m.table...), f("bias", m.bias...), f("none", m.none...); }
};

Tensor<float, 1> awkward(std::int64_t n) {
  using Limits = std::numeric_limits<float>;
  const float some[] = {0.f,    -0.f,          1.00390625f, 1.01171875f,        3.4e38f, -3.4e38f, Limits::infinity(),
                        1e-40f, Limits::max(), -1.f,        Limits::quiet_NaN()};
  Tensor<float, 1> x(n);
  for (std::int64_t i = 0; i < n; ++i) x(i) = some[i % 11] * (i < 11 ? 1.f : float(i) / 7);
  return x;
}

}  // namespace

TEST_CASE("elements are converted on the device as on the host, bit for bit, also where none begins at 16 bytes") {
  for (std::int64_t n : {0, 1, 7, 8, 9, 11, 2048, 5003}) {
    for (std::int64_t shift : {0, 1, 4}) {
      const auto x = awkward(n + shift);
      auto there = on_device(x);
      auto low = Tensor<bf16, 1>::empty({n + shift}, test_device());
      auto back = Tensor<float, 1>::empty({n + shift}, test_device());
      cuda::convert(there.data() + shift, low.data() + shift, n);
      cuda::convert(low.data() + shift, back.data() + shift, n);
      const auto l = on_host(low);
      const auto b = on_host(back);
      std::int64_t wrong = 0;
      for (std::int64_t i = shift; i < n + shift; ++i) {
        wrong += l(i).bits != bf16(x(i)).bits;
        wrong += std::bit_cast<std::uint32_t>(b(i)) != std::bit_cast<std::uint32_t>(float(bf16(x(i))));
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("cast of a model on the device stays there, and gives the host's bits") {
  const Parts<float> model{cast<float>(Parts<double>{drawn(Shape{9, 7}, 1), {}, {}}).table, awkward(23), {}};
  const auto low = cast<bf16>(to(model, test_device()));
  CHECK(low.table.device() == test_device());
  CHECK(same_bits(low.table, cast<bf16>(model).table));
  CHECK(same_bits(low.bias, cast<bf16>(model).bias));
  CHECK(same_bits(cast<float>(low).table, cast<float>(cast<bf16>(model)).table));
  CHECK(same_bits(cast<double>(low).table, cast<double>(cast<bf16>(model)).table));  // no kernel: by the host
}

TEST_CASE("gradients in bf16 are collected into float ones with their marks, and the working copy follows the model") {
  for (std::int64_t width : {3, 16, 19, 40}) {
    const auto start = cast<float>(Parts<double>{drawn(Shape{37, width}, 1), drawn(Shape{5}, 2), {}});
    auto model = to(start, test_device());
    MixedPrecision mixed(model), on_host(start);
    auto grads = zeros_like(model), expected = zeros_like(start);
    auto made = zeros_like(on_host.working());
    for (std::uint32_t pass = 0; pass < 2; ++pass) {
      const auto from = cast<bf16>(Parts<double>{drawn(Shape{37, width}, 10 + pass), drawn(Shape{5}, 20 + pass), {}});
      for (auto row : {3, 4, 7 + 20 * int(pass), 36}) {
        touch_row(made.table, row);
        for (std::int64_t c = 0; c < width; ++c) made.table(row, c) = from.table(row, c);
      }
      made.bias = from.bias.share();
      made.bias.storage()->begin_rows();
      made.bias.storage()->touched->all = true;
      put_gradients(mixed.gradients(), made);
      put_gradients(on_host.gradients(), made);
      mixed.collect(grads), on_host.collect(expected);
      CHECK(same_bits(grads.table, expected.table));
      CHECK(same_bits(grads.bias, expected.bias));
      CHECK(listed_rows(grads.table) == listed_rows(expected.table));
      CHECK(listed_rows(mixed.gradients().table).empty());
      CHECK(same_bits(mixed.gradients().table, zeros_like(on_host.working()).table));
      zero(made.table);
    }
    CHECK(listed_rows(grads.table).size() == 5);
    auto same = start;
    const Sgd sgd{.rate = 0.25};
    mixed.step(sgd, model, grads), on_host.step(sgd, same, expected);
    CHECK(same_bits(model.table, same.table));
    CHECK(same_bits(mixed.working().table, on_host.working().table));
    CHECK(same_bits(mixed.working().bias, on_host.working().bias));
    CHECK_FALSE(same_bits(model.table, start.table));
  }
}
