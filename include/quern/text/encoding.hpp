/// From the bytes of a file to UTF-8: by the encoding the user names, or by a guess that gives its reason and is
/// refused when in doubt.
///
///   EncodingGuess guess = guess_encoding(bytes);              // {optional encoding, reason}
///   std::string text = to_utf8(std::move(bytes), Encoding::latin1, "rt-polarity.pos");
///   encoding_named("GB18030");                                // Error for a name that is not known
///
/// Three encodings: UTF-8; ISO-8859-1, every byte is the code point of its value; GB18030 (with it GBK and GB2312), by
/// the system's iconv.
#pragma once
#include <iconv.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include <quern/base/error.hpp>
#include <quern/text/utf8.hpp>

namespace quern::inline QUERN_ABI {

enum class Encoding { utf8, latin1, gb18030 };

inline const char* name_of(Encoding e) {
  return e == Encoding::utf8 ? "UTF-8" : e == Encoding::latin1 ? "ISO-8859-1" : "GB18030";
}
[[gnu::cold]] inline void append_text(std::string& out, Encoding e) { out += name_of(e); }

/// The encoding of that name; case, '-' and '_' do not matter, usual other names are known.
[[gnu::cold]] inline Encoding encoding_named(std::string_view name) {
  std::string plain;
  for (char c : name)
    if (c != '-' && c != '_' && c != ' ') plain += char(lower(char32_t(static_cast<unsigned char>(c))));
  if (plain == "utf8" || plain == "ascii") return Encoding::utf8;
  if (plain == "iso88591" || plain == "latin1" || plain == "88591") return Encoding::latin1;
  if (plain == "gb18030" || plain == "gbk" || plain == "gb2312") return Encoding::gb18030;
  throw_error(text_of("encoding '", name, "' is not known; expected UTF-8, ISO-8859-1 or GB18030"));
}

/// The line (from 1) of byte `at`; lines end at \n.
[[gnu::cold]] inline std::int64_t line_of(std::string_view bytes, std::size_t at) {
  std::int64_t line = 1;
  for (std::size_t i = 0; (i = bytes.find('\n', i)) < at; ++i) ++line;
  return line;
}

namespace detail {

/// "0xE9 0x20 0x61": up to four bytes from `at`.
[[gnu::cold]] inline std::string hex_bytes(std::string_view bytes, std::size_t at) {
  std::string out;
  for (std::size_t i = at; i < bytes.size() && i < at + 4; ++i) {
    char hex[8];
    std::snprintf(hex, sizeof hex, "%s0x%02X", out.empty() ? "" : " ", unsigned(static_cast<unsigned char>(bytes[i])));
    out += hex;
  }
  return out;
}

[[noreturn, gnu::cold]] inline void throw_not(Encoding e, std::string_view bytes, std::size_t at,
                                              std::string_view path) {
  const bool cut = bytes.size() - at < 4 && bytes.find('\n', at) == std::string_view::npos;
  throw_error(text_of(path, ":", line_of(bytes, at), ": byte ", at, " is not ", e, ": ", hex_bytes(bytes, at),
                      cut ? "; the file ends inside a character: is it truncated?" : "",
                      "; if the file is in another encoding, name it with --encoding (UTF-8, ISO-8859-1, GB18030)"));
}

/// The size of the GB18030 character at `at` by its form (1, 2 or 4 bytes), or 0.
inline int gb18030_size(std::string_view bytes, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return at + i < bytes.size() ? int(static_cast<unsigned char>(bytes[at + i])) : -1;
  };
  const auto lead = [&](std::size_t i) { return byte(i) >= 0x81 && byte(i) <= 0xFE; };
  const auto digit = [&](std::size_t i) { return byte(i) >= 0x30 && byte(i) <= 0x39; };
  if (byte(0) < 0x80) return 1;
  if (!lead(0)) return 0;
  if (byte(1) >= 0x40 && byte(1) <= 0xFE && byte(1) != 0x7F) return 2;
  if (!digit(1) || !lead(2) || !digit(3)) return 0;
  // Four bytes count the characters that have no two: to U+FFFF from 81308130, those beyond from 90308130.
  const int number = ((byte(0) - 0x81) * 10 + byte(1) - '0') * 1260 + (byte(2) - 0x81) * 10 + byte(3) - '0';
  return number <= 39419 || (number >= 189000 && number < 189000 + 0x100000) ? 4 : 0;
}

/// Whether the two bytes are one of the marks and characters of which Chinese text is full, in GB18030.
inline bool is_common_gb(char first, char second) {
  switch (static_cast<unsigned char>(first) << 8 | static_cast<unsigned char>(second)) {
    case 0xA1A3:  // 。
    case 0xA3AC:  // ，
    case 0xB2BB:  // 不
    case 0xB4F3:  // 大
    case 0xB5C4:  // 的
    case 0xBAC3:  // 好
    case 0xC0B4:  // 来
    case 0xC1CB:  // 了
    case 0xC8CB:  // 人
    case 0xC9CF:  // 上
    case 0xCAC7:  // 是
    case 0xCBFB:  // 他
    case 0xCED2:  // 我
    case 0xD2BB:  // 一
    case 0xD3D0:  // 有
    case 0xD4DA:  // 在
    case 0xD5E2:  // 这
    case 0xD6D0:  // 中
      return true;
    default:
      return false;
  }
}

[[gnu::cold]] inline std::string latin1_to_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 16);
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t high = std::min(first_high_byte(bytes, at), bytes.size());
    out += bytes.substr(at, high - at);
    if (high < bytes.size()) append_utf8(out, static_cast<unsigned char>(bytes[high]));
    at = high + 1;
  }
  return out;
}

[[gnu::cold]] inline std::string gb18030_to_utf8(std::string_view bytes, std::string_view path) {
  const iconv_t converter = iconv_open("UTF-8", "GB18030");
  check(converter != iconv_t(-1), path,
        ": this system's iconv knows no GB18030 (on Debian: package libc-bin); convert "
        "the file to UTF-8 first");
  std::string out(bytes.size() + bytes.size() / 2 + 64, '\0');
  char* in = const_cast<char*>(bytes.data());
  std::size_t left = bytes.size(), filled = 0, failed_at = std::string_view::npos;
  while (left > 0) {
    char* to = out.data() + filled;
    std::size_t room = out.size() - filled;
    const std::size_t result = iconv(converter, &in, &left, &to, &room);
    filled = out.size() - room;
    if (result != std::size_t(-1)) continue;
    if (errno == E2BIG) {
      out.resize(out.size() * 2);
    } else {
      failed_at = bytes.size() - left;
      break;
    }
  }
  iconv_close(converter);
  if (failed_at != std::string_view::npos) throw_not(Encoding::gb18030, bytes, failed_at, path);
  out.resize(filled);
  return out;
}

}  // namespace detail

/// The text of a file as UTF-8 without byte order mark. `path` is for messages alone. Throws Error with file, line,
/// byte and the bytes themselves where they are not of that encoding, or are NUL.
[[gnu::cold]] inline std::string to_utf8(std::string bytes, Encoding encoding, std::string_view path) {
  if (encoding == Encoding::utf8) {
    const std::size_t bad = first_invalid_utf8(bytes);
    if (bad != std::string::npos) detail::throw_not(encoding, bytes, bad, path);
  }
  const std::size_t nul = bytes.find('\0');
  if (nul != std::string::npos)
    throw_error(text_of(path, ":", line_of(bytes, nul), ": byte ", nul,
                        " is NUL, which no text holds: the file is binary, or UTF-16; convert it to UTF-8"));
  if (encoding == Encoding::latin1) bytes = detail::latin1_to_utf8(bytes);
  if (encoding == Encoding::gb18030) bytes = detail::gb18030_to_utf8(bytes, path);
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.erase(0, 3);
  return bytes;
}

/// What guess_encoding found. No value: in doubt, and `reason` says why.
struct EncodingGuess {
  std::optional<Encoding> encoding;
  std::string reason;
  bool latin1_or_gb18030 = false;  // in doubt between these two alone
};

/// Collects what the bytes of one or more files (a folder of one data set) say about their encoding. A single line
/// decides nothing: half the accented lines of an ISO-8859-1 text have the form of GB18030 too.
class EncodingEvidence {
 public:
  /// Adds a whole file. `name` is for the reason: "line 12 of rt-polarity.neg".
  void add(std::string_view bytes, std::string_view name = "") {
    note_signature(bytes);
    add_utf8(bytes);
    if (bad_bytes_ > 0) add_lines(bytes, name);
  }

  [[gnu::cold]] EncodingGuess guess() const {
    if (!signature_.empty()) return {{}, signature_};
    if (not_utf8_lines_ == 0) {
      if (utf8_characters_ == 0) return {Encoding::utf8, "UTF-8: all bytes are ASCII"};
      return {Encoding::utf8,
              text_of("UTF-8: all bytes are valid, ", utf8_characters_, " characters are beyond ASCII")};
    }
    const std::string lines = text_of(not_utf8_lines_, not_utf8_lines_ == 1 ? " line holds" : " lines hold",
                                      " bytes that are not UTF-8 (first: ", first_, ")");
    const auto doubt = [&](const auto&... why) -> EncodingGuess {
      return {{}, text_of(lines, why..., "; name it with --encoding (UTF-8, ISO-8859-1, GB18030)")};
    };
    if (utf8_characters_ > bad_bytes_)
      return doubt(", but ", utf8_characters_, " other characters are: a damaged or mixed UTF-8 file?");
    if (not_gb_lines_ == 0) {
      if (only_utf8_lines_ > 0)
        return doubt(", which could be GB18030, but ", only_utf8_lines_,
                     " others are UTF-8 and not that: a mixed file?");
      // Chinese text shows itself by its most common characters; accented Latin, Japanese and Korean do not.
      if (gb_characters_ >= 8 && common_ * 20 >= gb_characters_)
        return {Encoding::gb18030, text_of("GB18030: ", lines, ", all are GB18030, and ", common_, " of their ",
                                           gb_characters_, " characters are common Chinese ones")};
      auto either = doubt(", and they are both ISO-8859-1 and GB18030 by their form");
      either.latin1_or_gb18030 = true;
      return either;
    }
    if (not_gb_lines_ * 10 < not_utf8_lines_)
      return doubt(", of which only ", not_gb_lines_, " are not GB18030: a damaged GB18030 file?");
    if (high_letters_ * 4 > high_letters_ + ascii_letters_)
      return doubt(", and more than a quarter of their letters are beyond ASCII, which is not western European");
    return {Encoding::latin1, text_of("ISO-8859-1: ", lines, ", and ", not_gb_lines_, " of them ",
                                      not_gb_lines_ == 1 ? "is" : "are", " not GB18030 either")};
  }

 private:
  /// Kinds of files that are no text of one of the three encodings, by their first bytes.
  [[gnu::cold]] void note_signature(std::string_view bytes) {
    using namespace std::literals;
    const auto starts = [&](std::string_view s) { return bytes.starts_with(s); };
    if (starts("\xFF\xFE"sv) || starts("\xFE\xFF"sv)) {
      signature_ = "the file begins with the byte order mark of UTF-16, which is not read; convert it to UTF-8 first";
    } else if (starts("\x1F\x8B"sv) ||
               starts("\xFD"sv
                      "7zXZ"sv) ||
               starts("PK\x03\x04"sv) || starts("\x28\xB5\x2F\xFD"sv) || starts("BZh"sv)) {
      signature_ = "the file is compressed (gzip, xz, zip, zstd or bzip2 by its first bytes); unpack it first";
    } else if (bytes.find('\0') != std::string_view::npos) {
      signature_ = "the file holds NUL bytes: it is binary, or UTF-16; convert it to UTF-8 first";
    }
  }

  /// Of a file that is not all UTF-8: line by line.
  [[gnu::cold]] void add_lines(std::string_view bytes, std::string_view name) {
    for (std::size_t begin = 0, number = 1; begin < bytes.size(); ++number) {
      const std::size_t end = std::min(bytes.find('\n', begin), bytes.size());
      const std::string_view line = bytes.substr(begin, end - begin);
      if (first_invalid_utf8(line) != std::string_view::npos) {
        if (not_utf8_lines_++ == 0) first_ = text_of("line ", number, name.empty() ? "" : " of ", name);
        add_gb18030(line);
      } else if (!has_gb18030_form(line)) {
        ++only_utf8_lines_;
      }
      begin = end + 1;
    }
  }

  void add_utf8(std::string_view bytes) {
    for (std::size_t at = 0; (at = first_high_byte(bytes, at)) != std::string_view::npos;) {
      const CodePoint c = code_point_at(bytes, at);
      ++(c.ok ? utf8_characters_ : bad_bytes_);
      at += std::size_t(c.bytes);
    }
  }

  static bool has_gb18030_form(std::string_view line) {
    for (std::size_t at = 0; at < line.size();) {
      const int size = detail::gb18030_size(line, at);
      if (size == 0) return false;
      at += std::size_t(size);
    }
    return true;
  }

  void add_gb18030(std::string_view line) {
    bool valid = true;
    for (std::size_t at = 0; at < line.size();) {
      const int size = detail::gb18030_size(line, at);
      if (size == 2) {
        ++gb_characters_;
        common_ += detail::is_common_gb(line[at], line[at + 1]);
      }
      valid &= size > 0;
      at += std::size_t(std::max(size, 1));
    }
    not_gb_lines_ += !valid;
    for (const char c : line) {
      const auto byte = static_cast<unsigned char>(c);
      high_letters_ += byte >= 0xC0;
      ascii_letters_ += (byte | 32) >= 'a' && (byte | 32) <= 'z';
    }
  }

  std::string signature_, first_;
  std::int64_t utf8_characters_ = 0, bad_bytes_ = 0, not_utf8_lines_ = 0, only_utf8_lines_ = 0;  // of all bytes
  std::int64_t not_gb_lines_ = 0, gb_characters_ = 0, common_ = 0, high_letters_ = 0,
               ascii_letters_ = 0;  // of bad lines
};

/// The encoding of a whole file, or no value when in doubt; the reason is a sentence to print.
[[gnu::cold]] inline EncodingGuess guess_encoding(std::string_view bytes) {
  EncodingEvidence evidence;
  evidence.add(bytes);
  return evidence.guess();
}

}  // namespace quern::inline QUERN_ABI
