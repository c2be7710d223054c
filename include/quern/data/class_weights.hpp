/// Weights of classes in the loss, for data in which some are rare.
///
///   auto [weights, reason] = class_weights(data.counts(), ClassWeighting::automatic);
///   options.class_weights = weights;                        // empty: all 1
///
/// balanced: texts / (classes · texts of the class), as scikit-learn's. root: the square roots of these, which lift
/// rare classes half as far. Both are scaled so that the weights of all texts have the mean 1.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/error.hpp>

namespace quern::inline QUERN_ABI {

enum class ClassWeighting { automatic, balanced, root, none };

inline ClassWeighting class_weighting_named(std::string_view name) {
  check(name == "auto" || name == "balanced" || name == "root" || name == "none", "class weights '", name,
        "' are not known; expected auto, balanced, root or none");
  return name == "auto"       ? ClassWeighting::automatic
         : name == "balanced" ? ClassWeighting::balanced
         : name == "root"     ? ClassWeighting::root
                              : ClassWeighting::none;
}

struct ClassWeights {
  std::vector<double> weights;  // one for each class, or none: all 1
  std::string reason;           // a sentence to print
};

/// From how many texts to train on each class has; a class without any has the weight 1.
inline ClassWeights class_weights(std::span<const std::int64_t> counts, ClassWeighting weighting) {
  constexpr double unbalanced = 1.5;
  std::int64_t least = 0, most = 0, total = 0;
  for (const auto n : counts) {
    require(n >= 0, "class_weights: a class has ", n, " texts");
    if (n > 0) least = least == 0 ? n : std::min(least, n);
    most = std::max(most, n), total += n;
  }
  if (weighting == ClassWeighting::none || total == 0) return {{}, "class weights: none, as asked"};
  const double ratio = double(most) / double(least);
  char sizes[160];
  std::snprintf(sizes, sizeof sizes, "the largest class has %.3g times the texts of the smallest (%lld and %lld)",
                ratio, static_cast<long long>(most), static_cast<long long>(least));
  if (weighting == ClassWeighting::automatic && ratio < unbalanced)
    return {{}, text_of("class weights: none, the classes are of like size (", least, " to ", most, " texts)")};
  const double power = weighting == ClassWeighting::balanced ? 1 : 0.5;
  std::vector<double> weights(counts.size(), 1);
  double sum = 0;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] == 0) continue;
    weights[c] = std::pow(double(total) / (double(counts.size()) * double(counts[c])), power);
    sum += weights[c] * double(counts[c]);
  }
  for (std::size_t c = 0; c < weights.size(); ++c)
    if (counts[c] > 0) weights[c] *= double(total) / sum;
  const char* name = weighting == ClassWeighting::balanced ? "balanced" : "root";
  return {weights, weighting == ClassWeighting::automatic
                       ? text_of("class weights: ", name, ", because ", sizes, " (--class-weights none for none)")
                       : text_of("class weights: ", name, ", as asked")};
}

}  // namespace quern::inline QUERN_ABI
