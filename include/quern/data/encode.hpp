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
#include <quern/base/function_ref.hpp>
#include <quern/base/parallel_for.hpp>
#include <quern/text/tokenizer.hpp>
#include <quern/text/vocabulary.hpp>

namespace quern::inline QUERN_ABI {

/// Texts one after another. No text is empty: one without tokens is the single token <unk>.
struct Encoded {
  std::vector<std::int32_t> ids;         // [N]
  std::vector<std::int64_t> offsets{0};  // [texts + 1]
  std::vector<std::int32_t> labels;      // [texts], or empty
  std::vector<std::int32_t> types{};     // [N]: which of a pair's texts a token belongs to; empty: all 0
  std::int64_t cut = 0;                  // texts longer than max_tokens

  std::int64_t size() const { return std::int64_t(offsets.size()) - 1; }
  std::span<const std::int32_t> text(std::int64_t i) const {
    return {ids.data() + offsets[std::size_t(i)], std::size_t(length(i))};
  }
  std::span<const std::int32_t> types_of(std::int64_t i) const {
    return {types.data() + offsets[std::size_t(i)], std::size_t(length(i))};
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

namespace detail {
/// Encodes n texts: `add` appends the tokens of text i to ids (and their types to types, or nothing), and tells whether
/// it left some out.
inline Encoded encode_each(
    std::int64_t n, std::span<const std::int32_t> labels, std::int64_t max_tokens,
    FunctionRef<bool(std::int64_t i, std::vector<std::int32_t>& ids, std::vector<std::int32_t>& types)> add) {
  require(labels.empty() || std::int64_t(labels.size()) == n, "encode: ", n, " texts, but ", labels.size(), " labels");
  require(max_tokens >= 0, "encode: max_tokens ", max_tokens, " is below 0");
  constexpr std::int64_t chunk = 256;
  std::vector<std::vector<std::int32_t>> ids(std::size_t((n + chunk - 1) / chunk));  // of each chunk
  std::vector<std::vector<std::int32_t>> types(ids.size());
  std::atomic<std::int64_t> cut = 0;
  Encoded all;
  all.offsets = std::vector<std::int64_t>(std::size_t(n) + 1, 0);  // first the lengths
  parallel_for(n, chunk, [&](std::int64_t begin, std::int64_t end) {
    const auto part = std::size_t(begin / chunk);
    for (auto i = begin; i < end; ++i) {
      const std::size_t first = ids[part].size();
      cut += add(i, ids[part], types[part]);
      all.offsets[std::size_t(i) + 1] = std::int64_t(ids[part].size() - first);
    }
  });
  all.cut = cut;
  for (std::size_t i = 1; i < all.offsets.size(); ++i) all.offsets[i] += all.offsets[i - 1];
  all.ids.reserve(std::size_t(all.offsets.back()));
  for (const auto& part : ids) append(all.ids, part);
  for (const auto& part : types) append(all.types, part);
  append(all.labels, labels);
  return all;
}
}  // namespace detail

/// `labels` is empty or has one label for each text; of each text the first `max_tokens` tokens are kept (0: all).
inline Encoded encode(std::span<const std::string> texts, const Tokenizer& tokenizer, const Vocabulary& vocabulary,
                      std::span<const std::int32_t> labels = {}, std::int64_t max_tokens = 0) {
  return detail::encode_each(std::int64_t(texts.size()), labels, max_tokens,
                             [&](std::int64_t i, std::vector<std::int32_t>& ids, std::vector<std::int32_t>&) {
                               const std::size_t first = ids.size();
                               tokenizer.each(texts[std::size_t(i)],
                                              [&](std::string_view token) { ids.push_back(vocabulary.id(token)); });
                               if (ids.size() == first) ids.push_back(std::int32_t(Vocabulary::unknown_id));
                               const bool cut = max_tokens > 0 && ids.size() > first + std::size_t(max_tokens);
                               if (cut) ids.resize(first + std::size_t(max_tokens));
                               return cut;
                             });
}

}  // namespace quern::inline QUERN_ABI
