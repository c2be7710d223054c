/// layerwise_decay: a rule for fine-tuning by which layers nearer to the words learn more slowly (Howard & Ruder 2018,
/// section 3.1), and neither biases nor norms are decayed.
///
///   const auto rule = layerwise_decay(12, 0.9);         // block i of 0 … 11: rate · 0.9^(12 - i); embeddings: 0.9^13
///   train(model, texts, split, classes, options, {}, rule);         // or: tape.watch(…, rule), adam.step(…, rule)
///
/// It knows names: "blocks.<i>." is a layer; "embeddings.", "words." and "positions." stand below the first; all else
/// is above the last and learns at the full rate.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <quern/tensor/walk.hpp>

namespace quern::inline QUERN_ABI {

struct LayerwiseDecay {
  std::int64_t layers = 0;
  double decay = 1;

  ParameterOptions operator()(const std::string& name) const {
    return {.rate = std::pow(decay, double(below_top(name))), .decay = is_decayed(name) ? 1.0 : 0.0};
  }

  /// Weights of products and tables; "…bias" and "…norm.weight" are not.
  static bool is_decayed(const std::string& name) {
    return !(name == "bias" || name.ends_with(".bias") || name.ends_with("norm.weight"));
  }

 private:
  /// How many layers stand above the parameter, itself included: 0 for the head.
  std::int64_t below_top(const std::string& name) const {
    const auto block = name.find("blocks.");
    if (block == 0 || (block != std::string::npos && name[block - 1] == '.'))
      return layers - std::strtoll(name.c_str() + block + 7, nullptr, 10);
    const bool below =
        name.find("embeddings.") != std::string::npos || name.starts_with("words.") || name.starts_with("positions.");
    return below ? layers + 1 : 0;
  }
};

/// Throws InvalidArgument unless 0 < decay ≤ 1.
inline LayerwiseDecay layerwise_decay(std::int64_t layers, double decay, Caller at = Caller::here()) {
  require(layers >= 0 && decay > 0 && decay <= 1, "layerwise_decay: ", layers, " layers, decay ", decay,
          "; expected at least 0, and a number above 0 up to 1 (", at, ")");
  return {layers, decay};
}

}  // namespace quern::inline QUERN_ABI
