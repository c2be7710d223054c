/// A small set of texts that a text CNN learns in a few epochs, and a model for it.
#pragma once
#include <quern/data/split.hpp>
#include <quern/models/text_cnn.hpp>
#include <quern/train/trainer.hpp>

namespace {

/// 120 texts of 2 to 9 tokens; of class 1 if token 1 or 2 occurs in them. Tokens 10 and up are noise.
inline quern::Encoded toy_texts(std::uint64_t seed = 1) {
  const quern::Random random(seed);
  quern::Encoded texts;
  for (std::uint32_t t = 0; t < 120; ++t) {
    const auto length = 2 + random.below(8, t, 0);
    const auto label = std::int32_t(t % 2);
    for (std::uint64_t i = 0; i < length; ++i) texts.ids.push_back(std::int32_t(10 + random.below(20, t, 1 + i)));
    if (label == 1) texts.ids[texts.ids.size() - 1 - random.below(length, t, 50)] = std::int32_t(1 + t / 2 % 2);
    texts.offsets.push_back(std::int64_t(texts.ids.size()));
    texts.labels.push_back(label);
  }
  return texts;
}

inline quern::Split toy_split(const quern::Encoded& texts) { return quern::stratified_split(texts.labels, 2, 0.25, 3); }

inline quern::TextCnn<float> toy_model(std::uint64_t seed = 1) {
  return quern::make_text_cnn({.vocabulary = 30, .classes = 2, .embedding = 8, .filters = 6, .widths = {1, 2, 3}},
                              seed);
}

inline quern::TrainOptions toy_options() { return {.epochs = 6, .batch = 7, .rate = 0.02, .patience = 6}; }

inline bool same_weights(const auto& a, const auto& b) {
  bool same = true;
  quern::walk_tensors([&](const quern::Path&, const auto& x, const auto& y) { same = same && quern::same_bits(x, y); },
                      a, b);
  return same;
}

}  // namespace
