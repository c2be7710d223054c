/// Needs utf8proc (link utf8proc). All texts of a data set as BERT's pieces: `encode` for a WordPiece.
///
///   Encoded train = encode(data.texts, wordpiece, data.labels, 128);   // [CLS] … [SEP], 128 pieces at most
///   Encoded pairs = encode(questions, answers, wordpiece, labels, 128);
///   pairs.types;                                                       // 0 to the first [SEP], then 1
#pragma once
#include <quern/data/encode.hpp>
#include <quern/text/wordpiece.hpp>

namespace quern::inline QUERN_ABI {

/// Every text as [CLS] text [SEP] (or as its tokenizer.json frames it), cut to `max_tokens` with them (0: all).
/// `labels` is empty or has one for each text. Nothing is padded.
inline Encoded encode(std::span<const std::string> texts, const WordPiece& wordpiece,
                      std::span<const std::int32_t> labels = {}, std::int64_t max_tokens = 0) {
  const auto& frame = wordpiece.frame().single;
  const auto specials = std::size_t(std::count_if(
      frame.begin(), frame.end(), [](const WordPiece::Part& part) { return part.kind == WordPiece::Part::token; }));
  require(max_tokens == 0 || std::size_t(max_tokens) > specials, "encode: max_tokens ", max_tokens, ", but there are ",
          specials, " special tokens");
  return detail::encode_each(std::int64_t(texts.size()), labels, max_tokens,
                             [&](std::int64_t i, std::vector<std::int32_t>& ids, std::vector<std::int32_t>&) {
                               bool cut = false;
                               for (const auto& part : frame) {
                                 if (part.kind == WordPiece::Part::token) {
                                   ids.push_back(part.id);
                                   continue;
                                 }
                                 const std::size_t first = ids.size(), most = std::size_t(max_tokens) - specials;
                                 wordpiece.append_ids(texts[std::size_t(i)], ids);
                                 if (max_tokens > 0 && ids.size() - first > most) ids.resize(first + most), cut = true;
                               }
                               return cut;
                             });
}

/// Pairs, as [CLS] first [SEP] second [SEP] with their types; of a pair that is too long the longer text is cut first.
inline Encoded encode(std::span<const std::string> first, std::span<const std::string> second,
                      const WordPiece& wordpiece, std::span<const std::int32_t> labels = {},
                      std::int64_t max_tokens = 0) {
  require(first.size() == second.size(), "encode: ", first.size(), " first texts, but ", second.size(),
          " second texts");
  const auto& frame = wordpiece.frame().pair;
  const auto specials =
      std::count_if(frame.begin(), frame.end(), [](const auto& part) { return part.kind == WordPiece::Part::token; });
  require(max_tokens == 0 || max_tokens > specials, "encode: max_tokens ", max_tokens, ", but there are ", specials,
          " special tokens");
  return detail::encode_each(std::int64_t(first.size()), labels, max_tokens,
                             [&](std::int64_t i, std::vector<std::int32_t>& ids, std::vector<std::int32_t>& types) {
                               std::vector<std::int32_t> of[2];
                               wordpiece.append_ids(first[std::size_t(i)], of[0]);
                               wordpiece.append_ids(second[std::size_t(i)], of[1]);
                               const auto a = std::int64_t(of[0].size()), b = std::int64_t(of[1].size());
                               const bool cut = max_tokens > 0 && a + b + specials > max_tokens;
                               if (cut) {
                                 const auto [kept_a, kept_b] = detail::kept_of_pair(a, b, max_tokens - specials);
                                 of[0].resize(std::size_t(kept_a)), of[1].resize(std::size_t(kept_b));
                               }
                               for (const auto& part : frame) {
                                 if (part.kind == WordPiece::Part::token) ids.push_back(part.id);
                                 if (part.kind != WordPiece::Part::token)
                                   detail::append(ids, of[part.kind == WordPiece::Part::second_text]);
                                 types.resize(ids.size(), part.type);
                               }
                               return cut;
                             });
}

}  // namespace quern::inline QUERN_ABI
