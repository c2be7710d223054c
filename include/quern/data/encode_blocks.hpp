/// Needs utf8proc (link utf8proc). Running text for a language model: texts that are too long are cut into blocks, and
/// nothing of them is lost.
///
///   Encoded blocks = encode_blocks(reviews, wordpiece, 128);        // each [CLS] … [SEP], 128 pieces at most
#pragma once
#include <quern/data/encode.hpp>
#include <quern/text/wordpiece.hpp>

namespace quern::inline QUERN_ABI {

/// A text of n pieces becomes as few blocks as hold it, of sizes that differ by one at most; the border may fall within
/// a word. A text without a piece is left out; `cut` counts the texts of more than one block.
inline Encoded encode_blocks(std::span<const std::string> texts, const WordPiece& wordpiece, std::int64_t max_tokens) {
  require(max_tokens >= 3, "encode_blocks: max_tokens ", max_tokens, "; expected at least 3: [CLS], a piece and [SEP]");
  const Encoded pieces =
      detail::encode_each(std::int64_t(texts.size()), {}, 0,
                          [&](std::int64_t i, std::vector<std::int32_t>& ids, std::vector<std::int32_t>&) {
                            wordpiece.append_ids(texts[std::size_t(i)], ids);
                            return false;
                          });
  Encoded blocks;
  const std::int64_t most = max_tokens - 2;
  for (std::int64_t i = 0; i < pieces.size(); ++i) {
    const std::span text = pieces.text(i);
    const auto n = std::int64_t(text.size()), parts = (n + most - 1) / most;
    blocks.cut += parts > 1;
    for (std::int64_t k = 0; k < parts; ++k) {
      const std::int64_t begin = n * k / parts, end = n * (k + 1) / parts;
      blocks.ids.push_back(wordpiece.cls_id());
      detail::append(blocks.ids, text.subspan(std::size_t(begin), std::size_t(end - begin)));
      blocks.ids.push_back(wordpiece.sep_id());
      blocks.offsets.push_back(std::int64_t(blocks.ids.size()));
    }
  }
  return blocks;
}

}  // namespace quern::inline QUERN_ABI
