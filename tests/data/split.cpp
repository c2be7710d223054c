#include <quern/data/split.hpp>

#include <doctest/doctest.h>

#include "data/files.hpp"

using namespace quern;

namespace {
/// 70 of class 0, 25 of class 1, 5 of class 2, mixed.
std::vector<std::int32_t> some_labels() {
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 100; ++i) labels.push_back(i % 20 == 0 ? 2 : i % 4 == 1 ? 1 : 0);
  return labels;
}
std::vector<std::int64_t> counts(const std::vector<std::int32_t>& labels, const std::vector<std::int64_t>& indices) {
  std::vector<std::int64_t> n(3);
  for (const auto i : indices) ++n[std::size_t(labels[std::size_t(i)])];
  return n;
}
}  // namespace

TEST_CASE("a split holds out every class's share, and every example stands on one side") {
  const auto labels = some_labels();
  const Split split = stratified_split(labels, 3, 0.2, 7);
  CHECK(counts(labels, split.held) == std::vector<std::int64_t>{14, 5, 1});
  CHECK(counts(labels, split.train) == std::vector<std::int64_t>{56, 20, 4});
  std::vector<std::int64_t> all = split.train;
  all.insert(all.end(), split.held.begin(), split.held.end());
  std::sort(all.begin(), all.end());
  for (std::size_t i = 0; i < 100; ++i) CHECK(all[i] == std::int64_t(i));
  CHECK(std::is_sorted(split.train.begin(), split.train.end()));
  CHECK(std::is_sorted(split.held.begin(), split.held.end()));
}

TEST_CASE("the seed alone decides") {
  const auto labels = some_labels();
  CHECK(stratified_split(labels, 3, 0.3, 7).held == stratified_split(labels, 3, 0.3, 7).held);
  CHECK(stratified_split(labels, 3, 0.3, 7).held != stratified_split(labels, 3, 0.3, 8).held);
  CHECK(stratified_folds(labels, 3, 5, 7) == stratified_folds(labels, 3, 5, 7));
  CHECK(stratified_folds(labels, 3, 5, 7) != stratified_folds(labels, 3, 5, 8));
}

TEST_CASE("small classes and borders") {
  const std::vector<std::int32_t> labels = {0, 0, 1, 2, 2, 2};
  const Split split = stratified_split(labels, 3, 0.01, 1);
  CHECK(counts(labels, split.held) == std::vector<std::int64_t>{1, 0, 1});  // a class of one is trained on
  CHECK(counts(labels, stratified_split(labels, 3, 0.99, 1).train) == std::vector<std::int64_t>{1, 1, 1});
  CHECK(stratified_split(labels, 3, 0, 1).held.empty());
  CHECK(stratified_split(labels, 3, 1, 1).train.empty());
  CHECK(stratified_split({}, 0, 0.5, 1).train.empty());
  CHECK(holds(error_of<InvalidArgument>([&] { stratified_split(labels, 3, 1.5, 1); }), "fraction 1.5"));
  CHECK(holds(error_of<InvalidArgument>([&] { stratified_split(labels, 2, 0.5, 1); }), "label 2 of 2 classes"));
}

TEST_CASE("folds are of equal size in all and in every class") {
  const auto labels = some_labels();
  const auto folds = stratified_folds(labels, 3, 10, 3);
  for (std::int32_t f = 0; f < 10; ++f) {
    const Split split = fold_split(folds, f);
    CHECK(split.held.size() == 10);
    CHECK(split.train.size() == 90);
    const auto n = counts(labels, split.held);
    CHECK(n[0] == 7);
    CHECK((n[1] == 2 || n[1] == 3));
    CHECK(n[2] <= 1);
  }
  CHECK(holds(error_of<InvalidArgument>([&] { stratified_folds(labels, 3, 1, 3); }), "1 folds of 100"));
  CHECK(holds(error_of<InvalidArgument>([&] { stratified_folds(labels, 3, 101, 3); }), "101 folds of 100"));
}
