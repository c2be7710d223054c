#include <quern/ops/embedding.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"

using namespace test;

namespace {

template <class T>
struct Table {
  Tensor<T, 2> weight;
  static void visit(auto&& f, auto&... m) { f("weight", m.weight...); }
};

void expect_embedding(const Ids& ids, std::int64_t vocabulary, std::int64_t width, std::int64_t most = 0) {
  std::vector<std::int64_t> uses(std::size_t(vocabulary), 0);
  for (auto id : ids.span()) ++uses[std::size_t(id)];
  expect_op(
      Table<double>{drawn(Shape{vocabulary, width}, 1)},
      {.backward_terms = *std::max_element(uses.begin(), uses.end()), .most = most},
      [&](const auto& table) { return embedding(ids, table.weight); },
      [&](const Table<double>& table) {
        std::vector<double> y;
        for (std::int64_t i = 0; i < ids.size(); ++i)
          for (std::int64_t e = 0; e < width; ++e) y.push_back(table.weight(ids(i), e));
        return y;
      });
}

}  // namespace

TEST_CASE("embedding") {
  expect_embedding(Ids(0), 4, 3);
  expect_embedding(Ids::of({1}, {3}), 4, 3);
  expect_embedding(Ids::of({3}, {0, 0, 0}), 1, 1);
  expect_embedding(Ids::of({5}, {1, 4, 1, 1, 0}), 5, 17);
  expect_embedding(drawn_ids(50, 9, 1), 9, 1);
  expect_embedding(drawn_ids(100, 40, 1), 40, 8);
  expect_embedding(drawn_ids(2100, 1200, 1), 1200, 33, 20);
}

TEST_CASE("embedding: the gradient lists the rows it touched, each once, and the others are zero") {
  const Table<float> table{cast<float>(Table<double>{drawn(Shape{6, 3}, 1)})};
  auto grads = zeros_like(table);
  Tape tape;
  tape.backward(
      weighted_sum(embedding(Ids::of({4}, {5, 2, 5, 0}), tape.watch(table, grads).weight), drawn_weights(12)));
  REQUIRE(is_row_sparse(grads.weight));
  CHECK(grads.weight.storage()->touched->rows == std::vector<std::int32_t>{5, 2, 0});
  const auto w = drawn_weights(12);
  for (int e = 0; e < 3; ++e) {
    CHECK(grads.weight(1, e) == 0);
    CHECK(grads.weight(5, e) == float(w[std::size_t(e)]) + float(w[std::size_t(6 + e)]));
    CHECK(grads.weight(2, e) == float(w[std::size_t(3 + e)]));
  }
}

TEST_CASE("embedding: backward as a function gives the tape's gradient") {
  const Table<double> table{drawn(Shape{6, 3}, 1)};
  const auto ids = Ids::of({4}, {5, 2, 5, 0});
  const auto [y, saved] = embedding_forward(ids, table.weight);
  const auto dweight = embedding_backward(Tensor<double, 2>::of({4, 3}, drawn_weights(12)), saved);
  const auto tape = pass_over(table, {}, drawn_weights(12), [&](const auto& m) { return embedding(ids, m.weight); });
  CHECK(same_bits(y, tape.y));
  CHECK(same_bits(dweight, tape.gradients.weight));
}

TEST_CASE("embedding: a table that is used twice, and by another op too, sums its gradients") {
  const auto one = Ids::of({3}, {0, 1, 1}), two = Ids::of({2}, {1, 3});
  const Table<double> table{drawn(Shape{4, 3}, 1)};
  Table<double> sparse = zeros_like(table), expected = zeros_like(table);
  Tape tape;
  const auto m = tape.watch(table, sparse);
  const auto twice = embedding(two, m.weight);
  tape.backward(weighted_sum(embedding(one, m.weight), drawn_weights(9)));
  for (int i = 0; i < 9; ++i) expected.weight(one(i / 3), i % 3) += drawn_weights(9)[std::size_t(i)];
  CHECK(same_bits(sparse.weight, expected.weight));
  Tape next;
  next.backward(weighted_sum(embedding(two, next.watch(table, sparse).weight), drawn_weights(6)));
  for (int i = 0; i < 6; ++i) expected.weight(two(i / 3), i % 3) += drawn_weights(6)[std::size_t(i)];
  CHECK(same_bits(sparse.weight, expected.weight));
  CHECK(sparse.weight.storage()->touched->rows == std::vector<std::int32_t>{0, 1, 3});
}

TEST_CASE("embedding refuses ids outside the table") {
  Table<float> table{Tensor<float, 2>(4, 3)};
  name_parameters(table);
  expect_invalid(
      [&] {
        (void)embedding(Ids::of({3}, {0, 4, 1}), table.weight);
      },
      {"embedding: id 4 at position 1", "weight (weight) is [4, 3] float", "0 to 3"});
  expect_invalid([&] { (void)embedding(Ids::of({2}, {0, -1}), table.weight); }, {"embedding: id -1 at position 1"});
  Tape tape;
  auto grads = zeros_like(table);
  const auto r = tape.watch(table, grads);
  expect_invalid([&] { (void)embedding(Ids::of({1}, {9}), r.weight); }, {"embedding: id 9 at position 0"});
}
