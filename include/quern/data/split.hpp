/// Parts of a data set in which every class has its share; a function of the labels and the seed alone.
///
///   Split split = stratified_split(data.labels, classes, 0.1, seed);       // {train, held}, sorted indices
///   auto folds = stratified_folds(data.labels, classes, 10, seed);         // the fold of each example
///   Split first = fold_split(folds, 0);                                    // held: fold 0
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include <quern/base/error.hpp>
#include <quern/tensor/random.hpp>
#include <quern/text/string_table.hpp>

namespace quern::inline QUERN_ABI {

/// Indices of examples, rising.
struct Split {
  std::vector<std::int64_t> train, held;
};

namespace detail {

/// The examples class after class, those of a class shuffled; class c is order[begins[c]] … order[begins[c+1]-1].
struct ShuffledClasses {
  std::vector<std::int64_t> order, begins;
};

[[gnu::cold]] inline ShuffledClasses shuffled_classes(std::span<const std::int32_t> labels, std::int64_t classes,
                                                      std::uint64_t seed) {
  require(classes >= 0, "split: ", classes, " classes");
  ShuffledClasses result{numbers_below(std::int64_t(labels.size())),
                         std::vector<std::int64_t>(std::size_t(classes) + 1, 0)};
  auto& [order, begins] = result;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    require(labels[i] >= 0 && labels[i] < classes, "split: example ", i, " has label ", labels[i], " of ", classes,
            " classes");
    ++begins[std::size_t(labels[i]) + 1];
  }
  for (std::size_t c = 1; c < begins.size(); ++c) begins[c] += begins[c - 1];
  sort_numbers(order, [&](std::int64_t a, std::int64_t b) { return labels[std::size_t(a)] < labels[std::size_t(b)]; });
  const Random random(seed, Purpose::split);
  for (std::size_t c = 0; c + 1 < begins.size(); ++c) {
    std::span members(order.data() + begins[c], order.data() + begins[c + 1]);
    random.shuffle(members, std::uint32_t(c));
  }
  return result;
}

}  // namespace detail

/// All examples of fold `held` against all others.
[[gnu::cold]] inline Split fold_split(std::span<const std::int32_t> folds, std::int32_t held) {
  Split split;
  for (std::size_t i = 0; i < folds.size(); ++i)
    (folds[i] == held ? split.held : split.train).push_back(std::int64_t(i));
  return split;
}

/// Holds out `fraction` of every class, rounded; of a class of two or more at least one example is on either side when
/// 0 < fraction < 1. A single example is trained on.
[[gnu::cold]] inline Split stratified_split(std::span<const std::int32_t> labels, std::int64_t classes, double fraction,
                                            std::uint64_t seed) {
  require(fraction >= 0 && fraction <= 1, "stratified_split: fraction ", fraction, " is not within 0 and 1");
  const auto [order, begins] = detail::shuffled_classes(labels, classes, seed);
  std::vector<std::int32_t> fold(labels.size(), 0);  // 1: held out
  for (std::size_t c = 0; c + 1 < begins.size(); ++c) {
    const std::int64_t n = begins[c + 1] - begins[c];
    std::int64_t held = std::llround(double(n) * fraction);
    if (fraction > 0 && fraction < 1) held = n < 2 ? 0 : std::clamp<std::int64_t>(held, 1, n - 1);
    for (std::int64_t k = 0; k < held; ++k) fold[std::size_t(order[std::size_t(begins[c] + k)])] = 1;
  }
  return fold_split(fold, 1);
}

/// The fold, 0 … k-1, of each example. Sizes of folds differ by at most one, within every class too.
[[gnu::cold]] inline std::vector<std::int32_t> stratified_folds(std::span<const std::int32_t> labels,
                                                                std::int64_t classes, std::int64_t k,
                                                                std::uint64_t seed) {
  require(k >= 2 && k <= std::int64_t(labels.size()), "stratified_folds: ", k, " folds of ", labels.size(),
          " examples; expected 2 to the number of examples");
  std::vector<std::int32_t> fold(labels.size(), 0);
  std::int64_t next = 0;  // goes on from class to class, so the remainders do not all fall to fold 0
  for (const auto i : detail::shuffled_classes(labels, classes, seed).order)
    fold[std::size_t(i)] = std::int32_t(next++ % k);
  return fold;
}

}  // namespace quern::inline QUERN_ABI
