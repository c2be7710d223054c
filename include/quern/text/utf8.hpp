/// UTF-8 as bytes and as code points: strict decoding, and the few classes of characters tokenizers ask for.
///
///   std::size_t bad = first_invalid_utf8(bytes);            // npos: all valid
///   CodePoint c = code_point_at("né", 1);                   // {U+00E9, 2 bytes, ok}
///   append_utf8(out, lower(c.value));
///
/// The classes are ranges, not the Unicode database: enough to keep words of any script whole, to cut Chinese and
/// Japanese into characters and to find emoji.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI {

/// One decoded character. When the bytes are not UTF-8, `ok` is false, `value` U+FFFD and `bytes` 1.
struct CodePoint {
  char32_t value;
  int bytes;
  bool ok;
};

/// Decodes the character that begins at byte `at` (< text.size()). Strict: no overlong forms, no surrogates, no
/// values above U+10FFFF (RFC 3629).
inline CodePoint code_point_at(std::string_view text, std::size_t at) {
  constexpr CodePoint bad{0xFFFD, 1, false};
  const auto byte = [&](std::size_t i) { return std::uint32_t(static_cast<unsigned char>(text[at + i])); };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {char32_t(lead), 1, true};
  const int bytes = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (bytes == 0 || text.size() - at < std::size_t(bytes)) return bad;
  std::uint32_t value = lead & (0xFFu >> (bytes + 1));
  for (int i = 1; i < bytes; ++i) {
    if ((byte(std::size_t(i)) & 0xC0) != 0x80) return bad;
    value = value << 6 | (byte(std::size_t(i)) & 0x3F);
  }
  const bool overlong = (bytes == 3 && value < 0x800) || (bytes == 4 && value < 0x10000);
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (overlong || surrogate || value > 0x10FFFF) return bad;
  return {char32_t(value), bytes, true};
}

inline void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += char(c);
  } else if (c < 0x800) {
    out += char(0xC0 | c >> 6);
    out += char(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += char(0xE0 | c >> 12);
    out += char(0x80 | (c >> 6 & 0x3F));
    out += char(0x80 | (c & 0x3F));
  } else {
    out += char(0xF0 | c >> 18);
    out += char(0x80 | (c >> 12 & 0x3F));
    out += char(0x80 | (c >> 6 & 0x3F));
    out += char(0x80 | (c & 0x3F));
  }
}

/// The first byte at or after `from` that is not ASCII, or npos; eight bytes at a time.
inline std::size_t first_high_byte(std::string_view bytes, std::size_t from = 0) {
  for (; from + 8 <= bytes.size(); from += 8) {
    std::uint64_t eight;
    std::memcpy(&eight, bytes.data() + from, 8);
    if (eight & 0x8080808080808080u) break;
  }
  for (; from < bytes.size(); ++from)
    if (static_cast<unsigned char>(bytes[from]) >= 0x80) return from;
  return std::string_view::npos;
}

/// Where the first byte stands that is not UTF-8, or npos.
inline std::size_t first_invalid_utf8(std::string_view bytes) {
  for (std::size_t at = first_high_byte(bytes); at != std::string_view::npos;) {
    const CodePoint c = code_point_at(bytes, at);
    if (!c.ok) return at;
    at += std::size_t(c.bytes);
    if (at == bytes.size() || static_cast<unsigned char>(bytes[at]) < 0x80) at = first_high_byte(bytes, at);
  }
  return std::string_view::npos;
}

namespace detail {
constexpr bool in(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }
}  // namespace detail

/// A character of a script written without spaces: Han, kana, Bopomofo.
inline bool is_cjk(char32_t c) {
  using detail::in;
  return in(c, 0x4E00, 0x9FFF) || in(c, 0x3400, 0x4DBF) || in(c, 0x3041, 0x30FA) || in(c, 0x30FC, 0x312F) ||
         in(c, 0x31A0, 0x31FF) || in(c, 0xF900, 0xFAFF) || in(c, 0xFF66, 0xFF9F) || in(c, 0x20000, 0x3FFFD) ||
         in(c, 0x2E80, 0x2FDF) || c == 0x3005 || c == 0x3007;
}

/// A pictograph that is a token of its own.
inline bool is_emoji(char32_t c) {
  using detail::in;
  return in(c, 0x1F000, 0x1FAFF) || in(c, 0x2600, 0x27BF) || in(c, 0x2B00, 0x2BFF) || in(c, 0x2300, 0x23FF);
}

/// Marks that change the character before them and show nothing themselves: variation selectors, joiners, soft hyphen,
/// direction marks, tags.
inline bool is_invisible(char32_t c) {
  using detail::in;
  return c == 0xAD || in(c, 0x200C, 0x200F) || in(c, 0x202A, 0x202E) || in(c, 0x2060, 0x206F) || c == 0xFEFF ||
         in(c, 0xFE00, 0xFE0F) || in(c, 0xE0000, 0xE0FFF);
}

/// A letter, digit or combining mark of a script written with spaces. Everything above Latin-1 that is not a known
/// block of punctuation or symbols counts, so no script loses its words.
inline bool is_word(char32_t c) {
  using detail::in;
  if (c < 0x80) return in(c, 'a', 'z') || in(c, 'A', 'Z') || in(c, '0', '9');
  if (c < 0xC0) return c == 0xAA || c == 0xB5 || c == 0xBA;
  if (c == 0xD7 || c == 0xF7) return false;
  if (c < 0x2000) {  // punctuation of Greek, Armenian, Hebrew, Arabic, Devanagari, Thai, Ethiopic, Khmer, Mongolian
    return !(c == 0x37E || c == 0x387 || in(c, 0x55A, 0x55F) || c == 0x589 || c == 0x58A || c == 0x5BE || c == 0x5C0 ||
             c == 0x5C3 || c == 0x5F3 || c == 0x5F4 || in(c, 0x60C, 0x60D) || c == 0x61B || in(c, 0x61E, 0x61F) ||
             in(c, 0x66A, 0x66D) || c == 0x6D4 || in(c, 0x964, 0x965) || c == 0x970 || c == 0xE3F || c == 0xE4F ||
             in(c, 0xE5A, 0xE5B) || in(c, 0x1360, 0x1368) || c == 0x1680 || in(c, 0x17D4, 0x17DB) ||
             in(c, 0x1800, 0x180A) || c == 0x180E);
  }
  if (c < 0x2C00) return in(c, 0x2071, 0x2071) || c == 0x207F || in(c, 0x2090, 0x209C) || in(c, 0x20D0, 0x20F0);
  if (in(c, 0x2E00, 0x2E7F) || in(c, 0x2FE0, 0x303F) || c == 0x30FB || c == 0x3040) return false;
  if (in(c, 0x3200, 0x33FF) || in(c, 0x4DC0, 0x4DFF) || in(c, 0xA490, 0xA4CF)) return false;  // enclosed, hexagrams
  if (in(c, 0xD800, 0xF8FF) || in(c, 0xFD3E, 0xFD4F) || in(c, 0xFDFC, 0xFDFF)) return false;  // private use, ornaments
  if (in(c, 0xFE10, 0xFE1F) || in(c, 0xFE30, 0xFE6F) || in(c, 0xFF00, 0xFF65) || in(c, 0xFFE0, 0xFFFF)) return false;
  if (in(c, 0x1D000, 0x1D3FF) || in(c, 0x10100, 0x1013F)) return false;  // musical and other symbols
  return c < 0xE0000 && !is_cjk(c) && !is_emoji(c) && !is_invisible(c);
}

/// White space and control characters.
inline bool is_space(char32_t c) {
  return c <= 0x20 || detail::in(c, 0x7F, 0xA0) || c == 0x1680 || detail::in(c, 0x2000, 0x200B) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/// The small form of one letter of the Latin, Greek, Cyrillic and Armenian scripts; other characters unchanged.
inline char32_t lower(char32_t c) {
  using detail::in;
  if (c < 0x80) return in(c, 'A', 'Z') ? c + 32 : c;
  if (c < 0x100) return in(c, 0xC0, 0xDE) && c != 0xD7 ? c + 32 : c;
  const auto pair_at_even = [&] { return c % 2 == 0 ? c + 1 : c; };  // capitals and small letters alternate
  const auto pair_at_odd = [&] { return c % 2 == 1 ? c + 1 : c; };
  if (c < 0x180) {
    if (c == 0x130) return 'i';
    if (c == 0x178) return 0xFF;
    if (c == 0x131 || c == 0x138 || c == 0x149 || c == 0x17F) return c;
    return in(c, 0x139, 0x148) || in(c, 0x179, 0x17E) ? pair_at_odd() : pair_at_even();
  }
  if (in(c, 0x1A0, 0x1A5) || in(c, 0x1DE, 0x1EF) || in(c, 0x1F8, 0x21F) || in(c, 0x222, 0x233)) return pair_at_even();
  if (c == 0x1AF || in(c, 0x1CD, 0x1DC)) return pair_at_odd();
  if (in(c, 0x391, 0x3AB) && c != 0x3A2) return c + 32;
  if (c == 0x386) return 0x3AC;
  if (in(c, 0x388, 0x38A)) return c + 37;
  if (c == 0x38C) return 0x3CC;
  if (c == 0x38E || c == 0x38F) return c + 63;
  if (in(c, 0x400, 0x40F)) return c + 80;
  if (in(c, 0x410, 0x42F)) return c + 32;
  if (in(c, 0x460, 0x481) || in(c, 0x48A, 0x4BF) || in(c, 0x4D0, 0x52F)) return pair_at_even();
  if (c == 0x4C0) return 0x4CF;
  if (in(c, 0x4C1, 0x4CE)) return pair_at_odd();
  if (in(c, 0x531, 0x556)) return c + 48;
  if (in(c, 0x1E00, 0x1E95) || in(c, 0x1EA0, 0x1EFF)) return pair_at_even();
  return c;
}

}  // namespace quern::inline QUERN_ABI
