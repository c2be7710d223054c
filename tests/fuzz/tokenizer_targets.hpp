/// Of what is fuzzed, the tokenizers: WordPiece on any bytes, and the reader of tokenizer.json. targets.hpp lists them.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <quern/io/hugging_face_tokenizer.hpp>

#include "support.hpp"

namespace fuzz {

/// What holds for the pieces of any text: ids and tokens are of the vocabulary, places are of the text and rise.
inline void expect_sound(const WordPiece& wordpiece, std::string_view text, const Pieces& pieces) {
  std::int32_t characters = 0;
  for (std::size_t at = 0; at < text.size(); ++characters) at += std::size_t(code_point_or_part(text, at).bytes);
  expect(pieces.tokens.size() == pieces.ids.size() && pieces.offsets.size() == pieces.ids.size() &&
             pieces.types.size() == pieces.ids.size(),
         "wordpiece: as many tokens, offsets and types as ids");
  PieceOffset last;
  for (std::size_t i = 0; i < pieces.ids.size(); ++i) {
    expect(pieces.ids[i] >= 0 && pieces.ids[i] < wordpiece.size(), "wordpiece: ids are of the vocabulary");
    const PieceOffset at = pieces.offsets[i];
    if (at == PieceOffset{}) continue;  // [CLS] or [SEP]
    expect(at.begin >= last.begin && at.end >= last.end && at.begin < at.end && at.end <= characters,
           "wordpiece: places rise and are of the text");
    last = at;
  }
}

inline void wordpiece(std::string_view bytes) {
  static const std::vector<std::string> tokens = {"[PAD]",
                                                  "[UNK]",
                                                  "[CLS]",
                                                  "[SEP]",
                                                  "[MASK]",
                                                  "un",
                                                  "##aff",
                                                  "##able",
                                                  "a",
                                                  "##a",
                                                  "b",
                                                  "##b",
                                                  "e",
                                                  "é",
                                                  "##é",
                                                  "中",
                                                  "##中",
                                                  "##\u0307",
                                                  "i",
                                                  "k",
                                                  "ᄀ",
                                                  "##ᅡ",
                                                  "가",
                                                  "😀",
                                                  "#",
                                                  "##",
                                                  "1",
                                                  "##1",
                                                  std::string(1, '\0'),
                                                  "\uFFFD"};
  struct Both {
    WordPiece fast, slow;
  };
  // The slow one normalizes whole texts at once: it has a token to look for in the normalized text, which hardly ever
  // comes.
  const auto make = [](BertWordsOptions words) {
    const AddedToken mask{.content = "[MASK]", .id = 4},
        never{.content = "\u2B50quern\u2B50", .id = 30, .normalized = true};
    return Both{WordPiece(tokens, {.words = words, .longest_word = 12}, {{mask}}),
                WordPiece(tokens, {.words = words, .longest_word = 12}, {{mask, never}})};
  };
  static const Both all[] = {make({}), make({.lowercase = false}), make({.strip_accents = false}),
                             make({.lowercase = false, .strip_accents = true, .chinese = false, .clean = false})};
  static const WordPiece added(tokens, {},
                               {{{.content = "[MASK]", .id = 4, .lstrip = true, .rstrip = true},
                                 {.content = "Ab", .id = 30, .single_word = true, .normalized = true},
                                 {.content = "b\u4E2D", .id = 31, .lstrip = true, .normalized = true},
                                 {.content = "[MA", .id = 32}}});
  const std::size_t choice = take_choice(bytes) % 5;
  const WordPiece& fast = choice == 4 ? added : all[choice].fast;
  const Pieces pieces = fast.encode(bytes);
  expect_sound(fast, bytes, pieces);
  expect(fast.ids(bytes) == pieces.ids, "wordpiece: ids are those of encode");
  if (choice < 4) {
    const Pieces slow = all[choice].slow.encode(bytes);
    const bool came = std::find(slow.ids.begin(), slow.ids.end(), 30) != slow.ids.end();  // the fuzzer does find it
    expect(came || slow == pieces, "wordpiece: byte by byte as normalized at once");
  }
  for (const std::int64_t most : {2, 5}) {
    const Pieces cut = fast.encode(bytes, {.max_tokens = most, .from_left = most == 5});
    expect(cut.size() == std::min(most, pieces.size()), "wordpiece: cut to its length");
  }
}

inline void tokenizer_json(std::string_view bytes) {
  static const Folder folder;
  {
    const detail::Descriptor file(
        ::open((folder.path + "/tokenizer.json").c_str(), O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0666));
    expect(::write(file.get(), bytes.data(), bytes.size()) == ssize_t(bytes.size()), "tokenizer.json: writing");
  }
  const auto read = accepted([&] { return load_wordpiece(folder.path); });
  if (!read) return;
  for (const std::string_view text : {"A b\u00e9 [MASK]\u4e2d un", ""}) {
    expect_sound(*read, text, read->encode(text, EncodeOptions{}));
    if (const auto pieces = accepted([&] { return read->encode(text); }))
      expect(pieces->padding > 0 || read->defaults.max_tokens == 0 || pieces->size() <= read->defaults.max_tokens,
             "tokenizer.json: texts are cut as it asks for");
  }
}

}  // namespace fuzz
