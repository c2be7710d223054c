#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

#include <quern/cuda/embedding.hpp>
#include <quern/tensor/walk.hpp>

#include "support/draw.hpp"
#include "support/on_device.hpp"

using namespace test;

namespace {

using Ids = Tensor<std::int32_t, 1>;

void expect_sorted(const Ids& ids, std::int32_t vocabulary) {
  const auto n = ids.size();
  auto sorted = on_device(Ids(n)), positions = on_device(Ids(n));
  const auto there = on_device(ids);
  cuda::sort_ids(there.view(), vocabulary, sorted.data(), positions.data());
  std::vector<std::int32_t> keys, order;
  for (auto id : ids.span()) keys.push_back(id < 0 || id >= vocabulary ? vocabulary : id);
  for (std::int32_t i = 0; i < n; ++i) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return keys[std::size_t(a)] < keys[std::size_t(b)]; });
  const auto s = on_host(sorted), p = on_host(positions);
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < n; ++i)
    wrong += p(i) != order[std::size_t(i)] || s(i) != keys[std::size_t(order[std::size_t(i)])];
  CHECK_MESSAGE(wrong == 0, n, " ids below ", vocabulary);
}

/// The fast kernel against the obvious one, twice, over a gradient that holds something already.
template <class T>
void expect_like_naive(const Ids& ids, std::int64_t vocabulary, std::int64_t width, std::int64_t shift = 0) {
  const auto there = on_device(ids);
  const std::int64_t n = ids.size();
  auto in_type = [&](Shape<1> shape, std::uint32_t stream) {
    auto x = Tensor<T, 1>::empty(shape);
    const auto from = drawn(shape, stream);
    for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = T(from(i));
    return on_device(x);
  };
  const auto dy = in_type({n * width + shift}, 1);  // from element `shift` on: not always at a multiple of 16 bytes
  const auto before = in_type({vocabulary * width}, 2);
  const View<const T, 2> rows{dy.data() + shift, {n, width}};
  auto run = [&](auto&& backward, Tensor<char, 1>& marks) {
    auto dweight = before;
    backward(rows, there.view(), View<T, 2>{dweight.data(), {vocabulary, width}}, marks.data());
    return on_host(dweight);
  };
  auto marks = on_device(Tensor<char, 1>(vocabulary)), other = marks;
  const auto fast = run(cuda::embedding_backward<T>, marks), again = run(cuda::embedding_backward<T>, marks);
  const auto naive = run(cuda::embedding_backward_naive<T>, other);
  CHECK(same_bits(fast, again));
  CHECK(same_bits(marks, other));
  double worst = 0;
  for (std::int64_t i = 0; i < fast.size(); ++i)
    worst = std::max(worst, std::abs(double(fast(i)) - double(naive(i))) / std::max(1.0, std::abs(double(naive(i)))));
  CHECK_MESSAGE(worst <= (std::is_same_v<T, float> ? 2e-5 : 0x1p-7), n, " ids below ", vocabulary, ", width ", width);
}

}  // namespace

TEST_CASE("sort_ids is a stable sort, in one tile and in several, of one to four digits") {
  for (std::int64_t n : {0, 1, 31, 33, 257, 2047, 2048, 2049, 5000})
    for (std::int32_t vocabulary : {1, 3, 255, 256, 30'000}) expect_sorted(drawn_ids(n, vocabulary, 1), vocabulary);
  for (std::int32_t vocabulary : {1 << 20, INT32_MAX - 1}) {
    expect_sorted(drawn_ids(300, vocabulary, 2), vocabulary);
    expect_sorted(drawn_ids(2300, vocabulary, 3), vocabulary);
  }
}

TEST_CASE("sort_ids puts ids outside the table last") {
  expect_sorted(Ids::of({7}, {3, -1, 2, 7, INT32_MAX, 2, INT32_MIN}), 7);
  auto many = drawn_ids(4100, 500, 1);
  for (int i = 0; i < 4100; i += 7) many(i) = -i;
  expect_sorted(many, 400);
}

TEST_CASE_TEMPLATE("embedding_backward equals the obvious kernel", T, float, bf16) {
  for (std::int64_t width : {1, 4, 8, 12, 20, 33, 600}) expect_like_naive<T>(drawn_ids(100, 40, 1), 40, width);
  expect_like_naive<T>(drawn_ids(100, 40, 1), 40, 24, 1);  // not aligned
  for (std::int64_t n : {1, 31, 32, 33, 64, 65, 1000}) {
    expect_like_naive<T>(drawn_ids(n, 2, 1), 2, 8);  // ids that go through many tiles
    expect_like_naive<T>(drawn_ids(n, 1, 1), 1, 8);
  }
  expect_like_naive<T>(drawn_ids(5000, 700, 1), 700, 16);
}
