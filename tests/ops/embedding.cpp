#include <quern/ops/embedding.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"
#include "support/gradients.hpp"

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
      [&](const auto& table) { return embedding(beside(table.weight, ids), table.weight); },
      [&](const Table<double>& table) {
        std::vector<double> y;
        for (std::int64_t i = 0; i < ids.size(); ++i)
          for (std::int64_t e = 0; e < width; ++e) y.push_back(table.weight(ids(i), e));
        return y;
      });
}

/// The gradient lists these rows, on a GPU by marks.
void expect_touched(Tensor<float, 2>& gradient, std::vector<std::int32_t> rows) {
  if (!has_cuda) {
    CHECK(gradient.storage()->touched->rows == rows);
    return;
  }
  std::sort(rows.begin(), rows.end());
  CHECK(listed_rows(gradient) == rows);
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
  expect_embedding(drawn_ids(300, 2, 1), 3, 12, 6);  // each in many of the parts that a GPU sums apart
  expect_embedding(drawn_ids(33, 7, 1), 7, 0);       // no columns
}

TEST_CASE("embedding: the gradient lists the rows it touched, each once, and the others are zero") {
  const auto table = to(cast<float>(Table<double>{drawn(Shape{6, 3}, 1)}), test_device());
  auto grads = zeros_like(table);
  Tape tape;
  const auto ids = on_device(Ids::of({4}, {5, 2, 5, 0}));
  tape.backward(weighted_sum(embedding(ids, tape.watch(table, grads).weight), drawn_weights(12)));
  REQUIRE(is_row_sparse(grads.weight));
  expect_touched(grads.weight, {5, 2, 0});
  const auto w = drawn_weights(12);
  const auto g = on_host(grads.weight);
  for (int e = 0; e < 3; ++e) {
    CHECK(g(1, e) == 0);
    CHECK(g(5, e) == float(w[std::size_t(e)]) + float(w[std::size_t(6 + e)]));
    CHECK(g(2, e) == float(w[std::size_t(3 + e)]));
  }
  zero(grads.weight);
  expect_touched(grads.weight, {});
  for (auto x : numbers(grads.weight)) CHECK(x == 0);
}

TEST_CASE("embedding: backward as a function gives the tape's gradient") {
  const auto table = to(cast<float>(Table<double>{drawn(Shape{6, 3}, 1)}), test_device());
  const auto ids = on_device(Ids::of({4}, {5, 2, 5, 0}));
  const auto [y, saved] = embedding_forward(ids, table.weight);
  const auto dy = cast<float>(Table<double>{Tensor<double, 2>::of({4, 3}, drawn_weights(12))}).weight;
  const auto dweight = embedding_backward(on_device(dy), saved);
  const auto tape = pass_over(table, {}, drawn_weights(12), [&](const auto& m) { return embedding(ids, m.weight); });
  CHECK(same_bits(y, tape.y));
  CHECK(same_bits(dweight, tape.gradients.weight));
}

TEST_CASE("embedding: a table that is used twice, and by another op too, sums its gradients") {
  const auto one = Ids::of({3}, {0, 1, 1}), two = Ids::of({2}, {1, 3});
  const auto table = to(cast<float>(Table<double>{drawn(Shape{4, 3}, 1)}), test_device());
  Table<float> sparse = zeros_like(table), expected{Tensor<float, 2>(4, 3)};
  Tape tape;
  const auto m = tape.watch(table, sparse);
  const auto twice = embedding(on_device(two), m.weight);
  tape.backward(weighted_sum(embedding(on_device(one), m.weight), drawn_weights(9)));
  for (int i = 0; i < 9; ++i) expected.weight(one(i / 3), i % 3) += float(drawn_weights(9)[std::size_t(i)]);
  CHECK(same_bits(sparse.weight, expected.weight));
  Tape next;
  next.backward(weighted_sum(embedding(on_device(two), next.watch(table, sparse).weight), drawn_weights(6)));
  for (int i = 0; i < 6; ++i) expected.weight(two(i / 3), i % 3) += float(drawn_weights(6)[std::size_t(i)]);
  CHECK(same_bits(sparse.weight, expected.weight));
  expect_touched(sparse.weight, {0, 1, 3});
}

TEST_CASE("embedding refuses ids outside the table") {
  Table<float> table{Tensor<float, 2>(4, 3)};
  name_parameters(table);
  if (has_cuda) table.weight = on_device(table.weight);
  // A GPU says it when its results are asked for, and no longer knows who called.
  const auto expect_refused = [&](const Ids& ids, const auto& weight, std::initializer_list<std::string> parts) {
    if (!has_cuda) return expect_invalid([&] { (void)embedding(ids, weight); }, parts);
    expect_message(message_of<InvalidArgument>([&] { (void)on_host(value(embedding(on_device(ids), weight))); }),
                   parts);
  };
  const char* what = has_cuda ? "the table has 4 rows" : "weight (weight) is [4, 3] float";
  expect_refused(Ids::of({3}, {0, 4, 1}), table.weight, {"embedding: id 4 at position 1", what, "0 to 3"});
  expect_refused(Ids::of({2}, {0, -1}), table.weight, {"embedding: id -1 at position 1"});
  (void)on_host(embedding(on_device(Ids::of({2}, {0, 3})), table.weight));  // the fault is forgotten
  Tape tape;
  auto grads = zeros_like(table);
  expect_refused(Ids::of({1}, {9}), tape.watch(table, grads).weight, {"embedding: id 9 at position 0"});
}
