/// All texts of a data set as token ids, once, before training.
///
///   Encoded train = encode(data.texts, Tokenizer::words(), vocabulary, data.labels);
///   train.text(7);                                         // ids of the text 7
///   train.cut;                                             // texts that lost tokens to max_tokens
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <quern/base/error.hpp>
#include <quern/base/parallel_for.hpp>
#include <quern/text/tokenizer.hpp>
#include <quern/text/vocabulary.hpp>

namespace quern::inline QUERN_ABI {

/// Texts one after another. No text is empty: one without tokens is the single token <unk>.
struct Encoded {
  std::vector<std::int32_t> ids;         // [N]
  std::vector<std::int64_t> offsets{0};  // [texts + 1]
  std::vector<std::int32_t> labels;      // [texts], or empty
  std::int64_t cut = 0;                  // texts longer than max_tokens

  std::int64_t size() const { return std::int64_t(offsets.size()) - 1; }
  std::span<const std::int32_t> text(std::int64_t i) const {
    return {ids.data() + offsets[std::size_t(i)], std::size_t(length(i))};
  }
  std::int64_t length(std::int64_t i) const { return offsets[std::size_t(i) + 1] - offsets[std::size_t(i)]; }
};

/// `labels` is empty or has one label for each text; of each text the first `max_tokens` tokens are kept (0: all).
inline Encoded encode(std::span<const std::string> texts, const Tokenizer& tokenizer, const Vocabulary& vocabulary,
                      std::span<const std::int32_t> labels = {}, std::int64_t max_tokens = 0) {
  require(labels.empty() || labels.size() == texts.size(), "encode: ", texts.size(), " texts, but ", labels.size(),
          " labels");
  require(max_tokens >= 0, "encode: max_tokens ", max_tokens, " is below 0");
  constexpr std::int64_t chunk = 256;
  const auto n = std::int64_t(texts.size());
  std::vector<Encoded> parts{std::size_t((n + chunk - 1) / chunk)};
  parallel_for(n, chunk, [&](std::int64_t begin, std::int64_t end) {
    Encoded& part = parts[std::size_t(begin / chunk)];
    for (auto i = begin; i < end; ++i) {
      const auto first = std::int64_t(part.ids.size());
      tokenizer.each(texts[std::size_t(i)], [&](std::string_view token) { part.ids.push_back(vocabulary.id(token)); });
      const auto tokens = std::int64_t(part.ids.size()) - first;
      if (tokens == 0) part.ids.push_back(Vocabulary::unknown_id);
      if (max_tokens > 0 && tokens > max_tokens) part.ids.resize(std::size_t(first + max_tokens)), ++part.cut;
      part.offsets.push_back(std::int64_t(part.ids.size()));
    }
  });
  Encoded all;
  all.labels.assign(labels.begin(), labels.end());
  for (const Encoded& part : parts) {
    const std::int64_t base = all.offsets.back();
    all.ids.insert(all.ids.end(), part.ids.begin(), part.ids.end());
    for (std::size_t i = 1; i < part.offsets.size(); ++i) all.offsets.push_back(base + part.offsets[i]);
    all.cut += part.cut;
  }
  return all;
}

}  // namespace quern::inline QUERN_ABI
