#include <quern/ops/max_over_time.hpp>

#include <cmath>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"

using namespace test;

namespace {

template <class T>
struct Inputs {
  Tensor<T, 2> x;
  static void visit(auto&& f, auto&... m) { f("x", m.x...); }
};

void expect_max(const std::vector<std::int64_t>& lengths, std::int64_t columns, std::int64_t most = 0) {
  const auto offsets = offsets_of(lengths);
  expect_op(
      Inputs<double>{drawn(Shape{sum_of(lengths), columns}, 1)}, {.most = most},
      [&](const auto& in) {
        return max_over_time(Packed{in.x, beside(in.x, offsets)});
      },
      [&](const Inputs<double>& in) {
        std::vector<double> y;
        for (std::size_t b = 0; b < lengths.size(); ++b)
          for (std::int64_t c = 0; c < columns; ++c) {
            double best = -2;
            for (std::int64_t t = offsets(b); t < offsets(b + 1); ++t) best = std::max(best, in.x(t, c));
            y.push_back(best);
          }
        return y;
      });
}

}  // namespace

TEST_CASE("max_over_time") {
  expect_max({}, 3);
  expect_max({1}, 1);
  expect_max({1, 1, 1}, 5);
  expect_max({3, 1, 7}, 1);
  expect_max({3, 1, 7}, 17);
  expect_max({2, 5}, 0);
  expect_max(drawn_lengths(9, 20, 1), 33, 60);
  expect_max({300, 3, 1, 1, 1, 4}, 19);
}

TEST_CASE_TEMPLATE("max_over_time: of equal maxima the first takes the gradient; NaN is a maximum", T, float,
                   SecondNumber) {
  const auto x =
      on_device<T>(Shape{4, 3}, {1, 0, -INFINITY, 3, INFINITY, -INFINITY, 3, NAN, -INFINITY, 2, 5, -INFINITY});
  const auto f = max_over_time_forward(Packed<T>{x, on_device(offsets_of({4}))});
  const auto y = on_host(f.y);
  CHECK(y(0, 0) == 3);
  CHECK(std::isnan(double(y(0, 1))));
  CHECK(y(0, 2) == -INFINITY);
  CHECK(same_bits(on_host(f.saved.where), Tensor<std::int32_t, 2>::of({1, 3}, {1, 2, 0})));
  const auto dx = max_over_time_backward(on_device<T>(Shape{1, 3}, {7, 8, 9}), f.saved);
  CHECK(same_bits(dx, on_device<T>(Shape{4, 3}, {0, 0, 9, 7, 0, 0, 0, 8, 0, 0, 0, 0})));
}

TEST_CASE_TEMPLATE("max_over_time: equal maxima and NaNs far apart, also where several threads look", T, float,
                   SecondNumber) {
  std::vector<double> column(40, 1);
  column[13] = column[6] = column[30] = 2;
  Tensor<T, 2> x(40, 2);
  for (int t = 0; t < 40; ++t) x(t, 0) = T(column[std::size_t(t)]), x(t, 1) = T(t == 21 || t == 9 ? NAN : 1);
  const auto f = max_over_time_forward(Packed<T>{on_device(x), on_device(offsets_of({40}))});
  CHECK(on_host(f.saved.where)(0, 0) == 6);
  CHECK(on_host(f.saved.where)(0, 1) == 9);
}

TEST_CASE_TEMPLATE("max_over_time: an infinity in a column changes nothing else there", T, float, SecondNumber) {
  const auto x = on_device<T>(Shape{3, 2}, {-INFINITY, 1, 2, INFINITY, 1, 3});
  const auto f = max_over_time_forward(Packed<T>{x, on_device(offsets_of({3}))});
  CHECK(same_bits(f.y, on_device<T>(Shape{1, 2}, {2, INFINITY})));
  CHECK(same_bits(on_host(f.saved.where), Tensor<std::int32_t, 2>::of({1, 2}, {1, 1})));
}

TEST_CASE("max_over_time on a GPU finds a text without rows itself, and says so when it is waited for") {
  if (!has_cuda) return;
  const Packed<float> x{on_device(Tensor<float, 2>(5, 2)), on_device(offsets_of({2, 0, 3}))};
  const auto f = max_over_time_forward(x);
  expect_message(message_of<InvalidArgument>([&] { (void)on_host(f.y); }), {"max_over_time: text 1 of 3 has no rows"});
  const auto dx = max_over_time_backward(on_device(Tensor<float, 2>(3, 2)), f.saved);
  CHECK_NOTHROW((void)on_host(dx));  // said once, and nothing is written where no row is
}

TEST_CASE("max_over_time refuses a text without rows and offsets that do not cut the rows") {
  Inputs<float> in{Tensor<float, 2>(5, 2)};
  auto call = [&](const Offsets& offsets) {
    return [&in, &offsets] { (void)max_over_time(Packed<float>{in.x, offsets}); };
  };
  auto message = [&](const Offsets& offsets) { return message_of<InvalidArgument>(call(offsets)); };
  expect_message(message(offsets_of({2, 0, 3})), {"max_over_time: text 1 of 3 has no rows", "max_over_time.cpp:"});
  expect_message(message(offsets_of({2, 2})),
                 {"max_over_time: offsets [3]", "number of rows, 5", "max_over_time.cpp:"});
  expect_message(message(Offsets::of({3}, {1, 2, 5})), {"max_over_time: offsets [3] must begin with 0"});
  expect_message(message(Offsets::of({4}, {0, 4, 3, 5})), {"max_over_time: offsets fall at text 1"});
  expect_message(message(Offsets{}), {"max_over_time: offsets [0] must begin with 0"});
  Tape tape;
  auto grads = zeros_like(in);
  const auto r = tape.watch(in, grads);
  const auto offsets = offsets_of({2, 0, 3});
  expect_invalid([&] { (void)max_over_time(Packed{r.x, offsets}); }, {"max_over_time: text 1 of 3 has no rows"});
}
