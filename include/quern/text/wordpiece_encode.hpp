/// Needs utf8proc (link utf8proc). How a WordPiece encodes, which text/wordpiece.hpp includes.
///
///   #include <quern/text/wordpiece.hpp>
///
/// The fast way: a text is one walk over its bytes. A table says of each byte whether it is a letter, a space or
/// punctuation; letters step through the trie at once, and where the word ends in a piece, that is all. Only a word
/// that is no piece is walked again, piece by piece, and only a stretch with a byte outside of ASCII is normalized
/// first.
#pragma once
#include <quern/text/wordpiece.hpp>

namespace quern::inline QUERN_ABI {

/// Where pieces go: their ids alone, or with offsets.
struct WordPiece::Ids {
  std::vector<std::int32_t>& ids;
  static constexpr bool with_offsets = false;
  void add(std::int32_t id, std::int32_t, std::int32_t) { ids.push_back(id); }
  void cut(std::size_t size) { ids.resize(size); }
};
struct WordPiece::IdsAndOffsets {
  std::vector<std::int32_t>& ids;
  std::vector<PieceOffset>& offsets;
  std::vector<std::pair<std::size_t, std::string>> added{};  // pieces whose token is not the vocabulary's: with spaces
  static constexpr bool with_offsets = true;
  void add(std::int32_t id, std::int32_t begin, std::int32_t end) {
    ids.push_back(id), offsets.push_back({begin, end});
  }
  void cut(std::size_t size) { ids.resize(size), offsets.resize(size); }
};

/// The longest piece that begins the word, then the longest that continues it, and so on; one [UNK] where there is
/// none. `place(i)` gives the place in the text of byte i.
template <class Out>
void WordPiece::pieces_of_word(std::string_view word, const auto& place, Out& out) const {
  const std::size_t before = out.ids.size();
  const auto whole_is_unknown = [&] {
    out.cut(before);
    out.add(unk_, place(0), place(word.size() - 1) + 1);
  };
  std::int64_t characters = std::int64_t(word.size());
  if (characters > options_.longest_word)
    for (const char c : word) characters -= (static_cast<unsigned char>(c) & 0xC0) == 0x80;
  if (characters > options_.longest_word) return whole_is_unknown();
  for (std::size_t begin = 0; begin < word.size();) {
    auto at = begin == 0 ? trie_.word() : trie_.continuation();
    std::int32_t longest = -1;
    std::size_t end = begin;
    for (std::size_t i = begin; i < word.size() && trie_.next(at, folded_[static_cast<unsigned char>(word[i])]); ++i)
      if (at.id >= 0) longest = at.id, end = i + 1;
    if (longest < 0) return whole_is_unknown();
    out.add(longest, place(begin), place(end - 1) + 1);
    begin = end;
  }
}

/// A stretch without added tokens. `first`: the place of its first character.
template <class Out>
void WordPiece::pieces_of_stretch(std::string_view text, std::int32_t first, BertWords::Scratch& scratch,
                                  Out& out) const {
  if (!normalized_.empty()) return pieces_of_normalized(text, first, scratch, out);
  const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = bytes + text.size();
  // Characters and bytes are counted apart only where a word is normalized: place = byte + shift.
  std::int64_t shift = first;
  const auto place = [&](const unsigned char* p) { return std::int32_t(p - bytes + shift); };
  for (const unsigned char* p = bytes; p < end;) {
    const Kind kind = kind_[*p];
    if (kind == space) {
      ++p;
      continue;
    }
    if (kind == alone) {
      out.add(alone_id_[*p], place(p), place(p) + 1);
      ++p;
      continue;
    }
    const unsigned char* const begin = p;
    auto at = trie_.word();
    while (p < end && kind_[*p] == letter && trie_.next(at, folded_[*p])) ++p;
    const bool whole = p == end || kind_[*p] != letter;
    while (p < end && kind_[*p] == letter) ++p;
    if (p < end && kind_[*p] == other) {
      while (p < end && (kind_[*p] == letter || kind_[*p] == other)) ++p;
      const std::int32_t start = place(begin);
      const std::int32_t after =
          words_.normalize({text.data() + (begin - bytes), std::size_t(p - begin)}, start, scratch);
      shift = after - (p - bytes);
      words_.cut(scratch.characters, scratch, [&](std::string_view word, std::span<const std::int32_t> places) {
        pieces_of_word(
            word, [&](std::size_t i) { return places[i]; }, out);
      });
    } else if (whole && at.id >= 0 && p - begin <= options_.longest_word) {
      out.add(at.id, place(begin), place(p));
    } else {
      pieces_of_word(
          {text.data() + (begin - bytes), std::size_t(p - begin)}, [&](std::size_t i) { return place(begin + i); },
          out);
    }
  }
}

/// The same where tokens are looked for in the normalized text: all of it is normalized at once.
template <class Out>
void WordPiece::pieces_of_normalized(std::string_view text, std::int32_t first, BertWords::Scratch& scratch,
                                     Out& out) const {
  words_.normalize(text, first, scratch);
  const std::vector<BertCharacter> characters = scratch.characters;
  std::string bytes;
  std::vector<std::size_t> of_byte;  // the character that each byte is of
  for (std::size_t i = 0; i < characters.size(); ++i) {
    append_utf8(bytes, characters[i].value);
    of_byte.resize(bytes.size(), i);
  }
  normalized_.split(bytes, [&](const AddedToken* token, std::size_t begin, std::size_t end) {
    const std::size_t a = of_byte[begin], z = of_byte[end - 1];
    if (token) {
      if constexpr (Out::with_offsets) out.added.emplace_back(out.ids.size(), bytes.substr(begin, end - begin));
      return out.add(token->id, characters[a].at, characters[z].at + 1);
    }
    words_.cut(std::span(characters).subspan(a, z + 1 - a), scratch,
               [&](std::string_view word, std::span<const std::int32_t> places) {
                 pieces_of_word(
                     word, [&](std::size_t i) { return places[i]; }, out);
               });
  });
}

template <class Out>
void WordPiece::pieces_of(std::string_view text, Out& out) const {
  check(text.size() < std::size_t(INT32_MAX), "wordpiece: a text of ", text.size(), " bytes; expected below 2^31");
  BertWords::Scratch scratch;
  std::int32_t characters = 0;
  std::size_t counted = 0;  // bytes whose characters are
  raw_.split(text, [&](const AddedToken* token, std::size_t begin, std::size_t end) {
    if constexpr (Out::with_offsets) {
      for (; counted < begin; ++characters) counted += std::size_t(code_point_or_part(text, counted).bytes);
      const std::int32_t first = characters;
      if (token) {
        for (; counted < end; ++characters) counted += std::size_t(code_point_or_part(text, counted).bytes);
        out.added.emplace_back(out.ids.size(), std::string(text.substr(begin, end - begin)));
        return out.add(token->id, first, characters);
      }
    }
    if (token) return out.add(token->id, 0, 0);
    pieces_of_stretch(text.substr(begin, end - begin), characters, scratch, out);
  });
}

inline void WordPiece::append_ids(std::string_view text, std::vector<std::int32_t>& out) const {
  Ids to{out};
  pieces_of(text, to);
}

inline std::vector<std::int32_t> WordPiece::ids(std::string_view text) const {
  std::vector<std::int32_t> out;
  for (const Part& part : frame_.single) {
    if (part.kind == Part::token) out.push_back(part.id);
    if (part.kind == Part::first_text) append_ids(text, out);
  }
  return out;
}

inline Pieces WordPiece::encode(std::string_view text, const EncodeOptions& options) const {
  Pieces pieces;
  IdsAndOffsets to{pieces.ids, pieces.offsets};
  pieces_of(text, to);
  for (const auto id : pieces.ids) pieces.tokens.push_back(token(id));
  for (auto& [i, token] : to.added) pieces.tokens[i] = std::move(token);
  if (options.special || options.max_tokens > 0) return framed(&pieces, nullptr, options);
  pieces.types.assign(pieces.ids.size(), 0);
  return pieces;
}

inline Pieces WordPiece::encode(std::string_view first, std::string_view second, const EncodeOptions& options) const {
  Pieces a = encode(first, {.special = false}), b = encode(second, {.special = false});
  return framed(&a, &b, options);
}

/// Cuts the texts and puts them into their frame.
inline Pieces WordPiece::framed(Pieces* first, Pieces* second, const EncodeOptions& options) const {
  const auto& parts = second ? frame_.pair : frame_.single;
  std::int64_t specials = 0;
  for (const Part& part : parts) specials += options.special && part.kind == Part::token;
  require(options.max_tokens >= 0, "encode: max_tokens ", options.max_tokens, " is below 0");
  if (options.max_tokens > 0) {
    const std::int64_t most = options.max_tokens - specials;
    check(most >= 0, "encode: max_tokens is ", options.max_tokens, ", but there are ", specials, " special tokens");
    const std::int64_t a = first->size(), b = second ? second->size() : 0, gone = a + b - most;
    if (most == 0) {  // nothing of either text, whichever was to be cut: so does `tokenizers`
      detail::truncate(*first, 0, options.from_left);
      if (second) detail::truncate(*second, 0, options.from_left);
    } else if (gone > 0 && options.truncate == Truncate::longest_first) {
      const auto [kept_a, kept_b] = second ? detail::kept_of_pair(a, b, most) : std::pair{most, std::int64_t(0)};
      detail::truncate(*first, kept_a, options.from_left);
      if (second) detail::truncate(*second, kept_b, options.from_left);
    } else if (gone > 0) {
      Pieces* cut = options.truncate == Truncate::only_first ? first : second;
      check(cut != nullptr, "encode: only the second text is to be cut, but there is one text");
      check(cut->size() > gone, "encode: the ", cut == first ? "first" : "second", " text has ", cut->size(),
            " pieces, and ", gone, " must go for ", options.max_tokens, " in all; expected some to be left");
      detail::truncate(*cut, cut->size() - gone, options.from_left);
    }
  }
  Pieces all;
  for (const Part& part : parts) {
    if (part.kind == Part::token) {
      if (!options.special) continue;
      all.ids.push_back(part.id), all.tokens.push_back(token(part.id)), all.offsets.push_back({});
    } else {
      Pieces& text = part.kind == Part::first_text ? *first : *second;
      all.ids.insert(all.ids.end(), text.ids.begin(), text.ids.end());
      all.tokens.insert(all.tokens.end(), text.tokens.begin(), text.tokens.end());
      all.offsets.insert(all.offsets.end(), text.offsets.begin(), text.offsets.end());
    }
    all.types.resize(all.ids.size(), part.type);
  }
  return all;
}

}  // namespace quern::inline QUERN_ABI
