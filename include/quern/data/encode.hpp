/// All texts of a data set as token ids, once, before training.
///
///   Encoded train = encode(data.texts, Tokenizer::words(), vocabulary, data.labels);
///   train.text(7);                                         // ids of the text 7
///   train.cut;                                             // texts that lost tokens to max_tokens
#pragma once
#include <atomic>
#include <cstdint>
#include <cstring>
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

namespace detail {
inline void append(std::vector<std::int32_t>& out, std::span<const std::int32_t> more) {
  const std::size_t size = out.size();
  out.resize(size + more.size());
  if (!more.empty()) std::memcpy(out.data() + size, more.data(), more.size_bytes());
}
}  // namespace detail

/// `labels` is empty or has one label for each text; of each text the first `max_tokens` tokens are kept (0: all).
inline Encoded encode(std::span<const std::string> texts, const Tokenizer& tokenizer, const Vocabulary& vocabulary,
                      std::span<const std::int32_t> labels = {}, std::int64_t max_tokens = 0) {
  require(labels.empty() || labels.size() == texts.size(), "encode: ", texts.size(), " texts, but ", labels.size(),
          " labels");
  require(max_tokens >= 0, "encode: max_tokens ", max_tokens, " is below 0");
  constexpr std::int64_t chunk = 256;
  const auto n = std::int64_t(texts.size());
  std::vector<std::vector<std::int32_t>> parts(std::size_t((n + chunk - 1) / chunk));  // the ids of each chunk
  std::atomic<std::int64_t> cut = 0;
  Encoded all;
  all.offsets = std::vector<std::int64_t>(texts.size() + 1, 0);  // first the lengths
  parallel_for(n, chunk, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int32_t>& ids = parts[std::size_t(begin / chunk)];
    for (auto i = begin; i < end; ++i) {
      const std::size_t first = ids.size();
      tokenizer.each(texts[std::size_t(i)], [&](std::string_view token) { ids.push_back(vocabulary.id(token)); });
      if (ids.size() == first) ids.push_back(std::int32_t(Vocabulary::unknown_id));
      if (max_tokens > 0 && ids.size() > first + std::size_t(max_tokens))
        ids.resize(first + std::size_t(max_tokens)), ++cut;
      all.offsets[std::size_t(i) + 1] = std::int64_t(ids.size() - first);
    }
  });
  all.cut = cut;
  for (std::size_t i = 1; i < all.offsets.size(); ++i) all.offsets[i] += all.offsets[i - 1];
  all.ids.reserve(std::size_t(all.offsets.back()));
  for (const auto& part : parts) detail::append(all.ids, part);
  detail::append(all.labels, labels);
  return all;
}

}  // namespace quern::inline QUERN_ABI
