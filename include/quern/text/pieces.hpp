/// A text (or a pair of texts) as a tokenizer gives it: ids, tokens, where each stands, and to which text it belongs.
///
///   Pieces pieces = wordpiece.encode("unaffable", {.max_tokens = 128});
///   pieces.ids;  pieces.tokens;  pieces.offsets;  pieces.types;
///   pad(batch, {.id = wordpiece.pad_id()});             // for others: Quern packs texts and never pads
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <quern/base/error.hpp>

namespace quern::inline QUERN_ABI {

/// Characters [begin, end) of the text, counted in code points. Of added tokens 0, 0.
struct PieceOffset {
  std::int32_t begin = 0, end = 0;
  friend bool operator==(const PieceOffset&, const PieceOffset&) = default;
};

struct Pieces {
  std::vector<std::int32_t> ids;
  std::vector<std::string> tokens;
  std::vector<PieceOffset> offsets;
  std::vector<std::int32_t> types;  // 0: the first text, 1: the second
  std::int32_t padding = 0;         // how many at the end (at the beginning with left padding) are padding

  std::int64_t size() const { return std::int64_t(ids.size()); }
  friend bool operator==(const Pieces&, const Pieces&) = default;
};

/// Which text of a pair loses its tokens: the longer one, until both are as long; or one of them alone.
enum class Truncate { longest_first, only_first, only_second };

struct EncodeOptions {
  std::int64_t max_tokens = 0;  // with [CLS] and [SEP]; 0: all
  Truncate truncate = Truncate::longest_first;
  bool from_left = false;  // the beginning goes, not the end
  bool special = true;     // with [CLS] and [SEP]
};

struct PadOptions {
  std::int64_t length = 0;       // 0: as the longest
  std::int64_t multiple_of = 0;  // then up to a multiple; 0: of nothing
  bool left = false;
  std::int32_t id = 0, type = 0;
  std::string token = "[PAD]";
};

namespace detail {

/// Keeps `kept` pieces.
inline void truncate(Pieces& p, std::int64_t kept, bool from_left) {
  const std::int64_t gone = p.size() - kept;
  if (gone <= 0) return;
  const auto cut = [&](auto& v) {
    const auto begin = from_left ? v.begin() : v.begin() + kept;
    v.erase(begin, begin + gone);
  };
  cut(p.ids), cut(p.tokens), cut(p.offsets);
}

/// How many pieces of texts of a and b pieces are kept, of `most` together. As `truncate_encodings` of `tokenizers`.
inline std::pair<std::int64_t, std::int64_t> kept_of_pair(std::int64_t a, std::int64_t b, std::int64_t most) {
  if (a + b <= most) return {a, b};
  const std::int64_t shorter = std::min(a, b);
  std::int64_t few = shorter, many = shorter > most ? shorter : std::max(shorter, most - shorter);
  if (few + many > most) few = most / 2, many = few + most % 2;
  return a <= b ? std::pair{few, many} : std::pair{many, few};
}

}  // namespace detail

/// Brings texts to one length. Errors: a length below 0.
inline void pad(std::span<Pieces> texts, const PadOptions& options) {
  require(options.length >= 0 && options.multiple_of >= 0, "pad: length ", options.length, " or multiple_of ",
          options.multiple_of, " is below 0");
  std::int64_t length = options.length;
  if (length == 0)
    for (const auto& text : texts) length = std::max(length, text.size());
  if (options.multiple_of > 0) length = (length + options.multiple_of - 1) / options.multiple_of * options.multiple_of;
  for (auto& text : texts) {
    const std::int64_t more = length - text.size();
    if (more <= 0) continue;  // one that is longer stays so
    const auto fill = [&](auto& v, const auto& value) {
      v.insert(options.left ? v.begin() : v.end(), std::size_t(more), value);
    };
    fill(text.ids, options.id), fill(text.tokens, options.token), fill(text.types, options.type);
    fill(text.offsets, PieceOffset{});
    text.padding += std::int32_t(more);
  }
}

}  // namespace quern::inline QUERN_ABI
