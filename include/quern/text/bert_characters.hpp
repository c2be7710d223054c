/// Needs utf8proc (link utf8proc). What a BERT tokenizer takes a character for, from tables read once.
///
///   const BertCharacters& characters = BertCharacters::table();
///   characters.of(U'é') & BertCharacters::changes;           // has parts, an order among marks, or a small letter
///   characters.parts(U'é', [&](char32_t part) { … });        // e, U+0301
///
/// The classes are those of Hugging Face's `tokenizers` (text/bert_ranges.hpp), for any version of utf8proc from 2.7
/// on; from utf8proc come decompositions, the order of marks and small letters.
#pragma once
#include <utf8proc.h>

#include <cstdint>
#include <span>
#include <vector>

#include <quern/text/bert_ranges.hpp>

namespace quern::inline QUERN_ABI {

class BertCharacters {
 public:
  enum : std::uint8_t {
    removed = 1,      // cleaning drops it
    space = 2,        // white space
    punctuation = 4,  // a word of its own
    mark = 8,         // an accent that is stripped
    ideograph = 16,   // a Chinese character
    moves = 32,       // NFD gives it parts, or a place among other marks
    capital = 64,     // has a small letter
    changes = moves | capital | mark
  };

  /// The one table, made at the first call (about 2 ms).
  static const BertCharacters& table() {
    static const BertCharacters all;
    return all;
  }

  /// The classes of a character, as bits.
  std::uint8_t of(char32_t c) const { return c < direct ? classes_[c] : classify(c); }

  /// Calls f for each part of NFD: the character itself where it has none.
  void parts(char32_t c, auto&& f) const {
    utf8proc_int32_t out[8];  // the longest has four
    int boundary = 0;
    const auto n = in(detail::bert_late_parts, c)
                       ? 0
                       : utf8proc_decompose_char(utf8proc_int32_t(c), out, 8,
                                                 utf8proc_option_t(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE), &boundary);
    if (n <= 0) return f(c);
    for (utf8proc_ssize_t i = 0; i < n; ++i) f(char32_t(out[i]));
  }

  /// The canonical combining class: 0, or the place of a mark among those of one letter.
  static int order(char32_t c) {
    return in(detail::bert_late_order, c) ? 0 : int(utf8proc_get_property(utf8proc_int32_t(c))->combining_class);
  }

  /// The small letter; of U+0130 the first of its two, an i (the second is U+0307).
  static char32_t small(char32_t c) {
    for (const auto& pair : detail::bert_late_capitals)
      if (pair.from == c) return pair.to;
    return c == 0x130 ? U'i' : char32_t(utf8proc_tolower(utf8proc_int32_t(c)));
  }

 private:
  static constexpr char32_t direct = 0x20000;  // from here on characters are rare, and looked up in the ranges

  BertCharacters() : classes_(direct, 0) {
    for (char32_t c = 0; c < direct; ++c) classes_[c] = changes_of(c);
    for (const char32_t c : white) classes_[c] |= space;
    fill(detail::bert_removed, removed);
    fill(detail::bert_punctuation, punctuation);
    fill(detail::bert_marks, mark);
    fill(detail::bert_ideographs, ideograph);
  }

  static bool in(std::span<const detail::CharacterRange> ranges, char32_t c) {
    std::size_t low = 0, high = ranges.size();
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      (ranges[middle].last < c ? low : high) = ranges[middle].last < c ? middle + 1 : middle;
    }
    return low < ranges.size() && ranges[low].first <= c;
  }

  void fill(std::span<const detail::CharacterRange> ranges, std::uint8_t bit) {
    for (const auto& range : ranges)
      for (char32_t c = range.first; c <= range.last && c < direct; ++c) classes_[c] |= bit;
  }

  static std::uint8_t changes_of(char32_t c) {
    const auto* property = utf8proc_get_property(utf8proc_int32_t(c));
    const bool hangul = c >= 0xAC00 && c <= 0xD7A3;  // its parts are computed, not listed
    const bool has_parts = hangul || (property->decomp_seqindex != UINT16_MAX && property->decomp_type == 0);
    return std::uint8_t((has_parts || property->combining_class != 0 ? moves : 0) | (small(c) != c ? capital : 0));
  }

  std::uint8_t classify(char32_t c) const {
    return std::uint8_t(changes_of(c) | (in(detail::bert_removed, c) ? removed : 0) |
                        (in(detail::bert_punctuation, c) ? punctuation : 0) | (in(detail::bert_marks, c) ? mark : 0) |
                        (in(detail::bert_ideographs, c) ? ideograph : 0));
  }

  static constexpr char32_t white[] = {'\t',   '\n',   '\v',   '\f',   '\r',   ' ',    0x85,   0xA0,   0x1680,
                                       0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008,
                                       0x2009, 0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000};

  std::vector<std::uint8_t> classes_;  // [direct]
};

}  // namespace quern::inline QUERN_ABI
