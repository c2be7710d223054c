#include <quern/ops/mean_over_time.hpp>

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

void expect_mean(const std::vector<std::int64_t>& lengths, std::int64_t columns, std::int64_t most = 0) {
  const auto offsets = offsets_of(lengths);
  const std::int64_t longest = lengths.empty() ? 1 : *std::max_element(lengths.begin(), lengths.end());
  expect_op(
      Inputs<double>{drawn(Shape{sum_of(lengths), columns}, 1)}, {.terms = longest, .most = most},
      [&](const auto& in) {
        return mean_over_time(Packed{in.x, beside(in.x, offsets)});
      },
      [&](const Inputs<double>& in) {
        std::vector<double> y;
        for (std::size_t b = 0; b < lengths.size(); ++b)
          for (std::int64_t c = 0; c < columns; ++c) {
            double sum = 0;
            for (std::int64_t t = offsets(b); t < offsets(b + 1); ++t) sum += in.x(t, c);
            y.push_back(sum / double(lengths[b]));
          }
        return y;
      });
}

}  // namespace

TEST_CASE("mean_over_time") {
  expect_mean({}, 3);
  expect_mean({1}, 1);
  expect_mean({1, 1, 1}, 5);
  expect_mean({3, 1, 7}, 17);
  expect_mean({2, 5}, 0);
  expect_mean({5, 2, 1, 1, 3}, 259, 60);  // two blocks of columns, two chunks of texts
  expect_mean(drawn_lengths(9, 20, 1), 33, 60);
}

TEST_CASE_TEMPLATE("mean_over_time: backward as a function gives every row of a text its share", T, float,
                   SecondNumber) {
  const Packed<T> x{on_device<T>(Shape{3, 1}, {1, 4, 7}), on_device(offsets_of({2, 1}))};
  const auto f = mean_over_time_forward(x);
  CHECK(same_bits(f.y, on_device<T>(Shape{2, 1}, {2.5, 7})));
  const auto dx = mean_over_time_backward(on_device<T>(Shape{2, 1}, {3, 5}), f.saved);
  CHECK(same_bits(dx, on_device<T>(Shape{3, 1}, {1.5, 1.5, 5})));
}

TEST_CASE("mean_over_time on a GPU finds a text without rows itself, and says so when it is waited for") {
  if (!has_cuda) return;
  const Packed<float> x{on_device(Tensor<float, 2>(5, 2)), on_device(offsets_of({2, 0, 3}))};
  const auto y = mean_over_time(x);
  expect_message(message_of<InvalidArgument>([&] { (void)on_host(y); }), {"mean_over_time: text 1 of 3 has no rows"});
  CHECK_NOTHROW((void)on_host(x.rows));  // said once
}

TEST_CASE("mean_over_time refuses a text without rows, and offsets that do not cut the rows") {
  Inputs<float> in{Tensor<float, 2>(5, 2)};
  const auto empty = offsets_of({2, 0, 3}), few = offsets_of({2, 2});
  expect_invalid(
      [&] {
        (void)mean_over_time(Packed<float>{in.x, empty});
      },
      {"mean_over_time: text 1 of 3 has no rows"});
  expect_invalid(
      [&] {
        (void)mean_over_time(Packed<float>{in.x, few});
      },
      {"mean_over_time: offsets [3]", "number of rows, 5"});
  Tape tape;
  auto grads = zeros_like(in);
  const auto r = tape.watch(in, grads);
  expect_invalid([&] { (void)mean_over_time(Packed{r.x, empty}); }, {"mean_over_time: text 1 of 3 has no rows"});
  const auto saved = mean_over_time_forward(Packed<float>{in.x, offsets_of({2, 3})}).saved;
  expect_message(message_of<InvalidArgument>([&] { (void)mean_over_time_backward(Tensor<float, 2>(3, 2), saved); }),
                 {"mean_over_time_backward: dy is [3, 2] float", "for 2 texts"});
}
