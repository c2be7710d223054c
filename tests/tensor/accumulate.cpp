#include <quern/tensor/accumulate.hpp>

#include <doctest/doctest.h>

#include <quern/tensor/walk.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"

using namespace test;

namespace {

/// A gradient that keeps a list of its rows, as zeros_like makes it.
Tensor<float, 2> sparse(std::int64_t rows, std::int64_t columns) {
  Tensor<float, 2> g(rows, columns);
  g.storage()->begin_rows();
  return g;
}

Tensor<float, 2> drawn_float(Shape<2> shape, std::uint32_t stream) {
  auto out = Tensor<float, 2>::empty(shape);
  const auto x = drawn(shape, stream);
  std::copy(x.span().begin(), x.span().end(), out.data());
  return out;
}

}  // namespace

TEST_CASE_TEMPLATE("add_to adds every element, for any length and alignment", T, float, double) {
  for (std::int64_t n = 0; n < 20; ++n)
    for (int from = 0; from < 3; ++from) {
      std::vector<T> x(std::size_t(n + 4), T(2)), y(std::size_t(n + 4), T(1));
      add_to(y.data() + from, x.data() + from, n);
      for (std::int64_t i = 0; i < n + 4; ++i) CHECK(y[std::size_t(i)] == (i >= from && i < from + n ? 3 : 1));
    }
}

TEST_CASE("accumulate adds, over several chunks, with any number of threads") {
  const auto x = drawn_float({3, 70'001}, 1), start = drawn_float({3, 70'001}, 2);
  for (int threads : {1, 2, 5}) {
    set_threads(threads);
    auto y = start;
    accumulate(y, x);
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < y.size(); ++i) wrong += y.data()[i] != start.data()[i] + x.data()[i];
    CHECK(wrong == 0);
  }
  auto y = start;
  expect_message(message_of<InvalidArgument>([&] { accumulate(y, Tensor<float, 2>(3, 2)); }),
                 {"accumulate: shapes [3, 70001] and [3, 2] differ"});
}

TEST_CASE("a gradient lists each row once, in the order of touching") {
  auto g = sparse(6, 2);
  CHECK(is_row_sparse(g));
  for (int row : {4, 1, 4, 4, 0}) touch_row(g, row);
  CHECK(g.storage()->touched->rows == std::vector<std::int32_t>{4, 1, 0});
  const char* seen = touched_rows(g);
  REQUIRE(seen != nullptr);
  CHECK(std::string(seen, 6) == std::string("\1\1\0\0\1\0", 6));
}

TEST_CASE("zero clears the touched rows alone, and begins a new list") {
  auto g = sparse(6, 2);
  touch_row(g, 4);
  g.fill(3);  // rows that are not listed are not visited, and so keep this
  zero(g);
  CHECK(g(4, 0) == 0);
  CHECK(g(4, 1) == 0);
  CHECK(g(3, 1) == 3);
  CHECK(g.storage()->touched->rows.empty());
  touch_row(g, 4);
  CHECK(g.storage()->touched->rows == std::vector<std::int32_t>{4});
}

TEST_CASE("a dense contribution makes a gradient dense until it is zeroed") {
  const auto x = drawn_float({6, 2}, 1);
  for (bool touched_before : {false, true}) {
    auto g = sparse(6, 2);
    if (touched_before) {
      touch_row(g, 1);
      g(1, 0) = 5;
    }
    accumulate(g, x);
    CHECK_FALSE(is_row_sparse(g));
    CHECK(touched_rows(g) == nullptr);
    CHECK(g(1, 0) == (touched_before ? 5 + x(1, 0) : x(1, 0)));
    CHECK(g(5, 1) == x(5, 1));
    touch_row(g, 2);  // has nothing to add to "all"
    zero(g);
    CHECK(is_row_sparse(g));
    for (auto v : g.span()) CHECK(v == 0);
    touch_row(g, 3);
    CHECK(g.storage()->touched->rows == std::vector<std::int32_t>{3});
  }
}

TEST_CASE("a gradient without a list is dense") {
  Tensor<float, 2> g(3, 2), none;
  touch_row(g, 1);
  CHECK_FALSE(is_row_sparse(g));
  CHECK(touched_rows(g) == nullptr);
  g.fill(2);
  zero(g);
  for (auto v : g.span()) CHECK(v == 0);
  zero(none);
  accumulate(none, Tensor<float, 2>{});
  touch_row(none, 1);
  CHECK(none.size() == 0);
  CHECK_FALSE(is_row_sparse(none));
}
