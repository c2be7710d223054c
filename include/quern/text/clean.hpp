/// Needs utf8proc (link utf8proc). Cleans texts before they are cut into tokens.
///
///   clean("<p>Caf&eacute;&nbsp;<br />a\u200Db</p>", clean_named("default")) == "Café ab";
///   clean("see http://a.b, @bob", clean_named("urls,mentions")) == "see httpurl, @user";
///   save_run(folder, Predictor(…, Cleaner{clean_named("default"), clean}), …);     // predict cleans alike
///
/// Cleaning twice is cleaning once: &amp;lt;br&amp;gt; goes in one call. UTF-8 goes in and comes out; bytes that are no
/// UTF-8 become U+FFFD. Of scripts and style sheets only the tags go.
#pragma once
#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include <quern/text/clean_options.hpp>
#include <quern/text/html.hpp>
#include <quern/text/utf8.hpp>

namespace quern::inline QUERN_ABI {
namespace detail {

/// NFC or NFKC; bytes that are no UTF-8 leave the text as it is.
inline void normalize(std::string& text, bool compatible) {
  if (first_high_byte(text) == std::string_view::npos) return;  // ASCII is normal in all forms
  const int form = UTF8PROC_STABLE | UTF8PROC_COMPOSE | (compatible ? int(UTF8PROC_COMPAT) : 0);
  utf8proc_uint8_t* out = nullptr;
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), utf8proc_ssize_t(text.size()),
                                 &out, utf8proc_option_t(form));
  check(size != UTF8PROC_ERROR_NOMEM, "clean: not enough memory for a text of ", text.size(), " bytes");
  if (size >= 0) text.assign(reinterpret_cast<const char*>(out), std::size_t(size));
  std::free(out);
}

/// Takes a text character by character and keeps what it has put out free of tags and references: the character that
/// completes one replaces it at once. So what decoding brings forth (&amp;lt;, or a tag of &lt; and &gt;) is seen too,
/// in one pass over the text.
class Scrubber {
 public:
  Scrubber(std::string& out, const CleanOptions& options) : out_(out), options_(options) {}

  void put(char32_t c) {
    if (options_.control && is_invisible_or_break(c)) {
      // Within an emoji these say which one it is.
      const bool of_emoji = is_emoji(last_) && (c == 0x200D || c == 0xFE0F);
      if (is_space(c)) c = ' ';
      if (c != ' ' && !of_emoji) return;
      if (of_emoji) return append_utf8(out_, c);  // last_ stays the emoji
    }
    if (options_.lower) c = char32_t(utf8proc_tolower(utf8proc_int32_t(c)));
    append_utf8(out_, c);
    last_ = c;
    if (options_.html && c == ';') end_entity();
    if (options_.html && c == '>') end_tag();
  }

 private:
  /// Controls but for tab and line ends, and characters of no width.
  static bool is_invisible_or_break(char32_t c) {
    const bool control = (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || in(c, 0x7F, 0x9F);
    return control || is_invisible(c) || c == 0x200B;
  }

  std::size_t last_of(char c, std::size_t reach) const {
    const std::size_t begin = out_.size() - std::min(reach, out_.size());
    const std::size_t at = std::string_view(out_).substr(begin).rfind(c);
    return at == std::string_view::npos ? at : begin + at;
  }

  void end_entity() {
    const std::size_t at = last_of('&', longest_entity + 1);
    if (at == std::string_view::npos) return;
    const char32_t c = decode_entity(std::string_view(out_).substr(at));
    if (c == no_entity) return;
    out_.resize(at);
    last_ = ' ';
    if (!options_.nfc && !options_.nfkc) return put(c);
    utf8proc_int32_t parts[32];  // ＜ must be the < it will be
    int boundary = 0;
    const int form = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (options_.nfkc ? int(UTF8PROC_COMPAT) : 0);
    const auto n = utf8proc_decompose_char(utf8proc_int32_t(c), parts, 32, utf8proc_option_t(form), &boundary);
    if (n <= 0) return put(c);
    for (utf8proc_ssize_t i = 0; i < n; ++i) put(char32_t(parts[i]));
  }

  void end_tag() {
    const std::size_t at = last_of('<', longest_tag + 1);
    if (at == std::string_view::npos || !is_tag(std::string_view(out_).substr(at))) return;
    out_.resize(at);
    out_ += ' ';
    last_ = ' ';
  }

  std::string& out_;
  const CleanOptions& options_;
  char32_t last_ = ' ';
};

inline std::string scrubbed(std::string_view text, const CleanOptions& options) {
  std::string out;
  out.reserve(text.size());
  Scrubber scrubber(out, options);
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    scrubber.put(c.value);
    at += std::size_t(c.bytes);
  }
  return out;
}

inline bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// The bytes of the URL that begins at `at`, or 0: up to white space, a quote or an angle bracket, without punctuation
/// at its end.
inline std::size_t url_bytes(std::string_view text, std::size_t at) {
  std::size_t begin = 0;
  for (const std::string_view start : {"http://", "https://", "www.", "HTTP://", "HTTPS://", "WWW."})
    if (text.substr(at).starts_with(start)) begin = start.size();
  if (begin == 0) return 0;
  std::size_t end = at + begin;
  while (end < text.size()) {
    const CodePoint c = code_point_at(text, end);
    if (is_space(c.value) || c.value == '<' || c.value == '>' || c.value == '"') break;
    end += std::size_t(c.bytes);
  }
  while (end > at + begin && std::string_view(".,;:!?)]}'").find(text[end - 1]) != std::string_view::npos) --end;
  return end > at + begin ? end - at : 0;
}

/// URLs and mentions as the words that stand for them (Nguyen, Vu & Nguyen, "BERTweet", 2020, in small letters).
inline std::string with_tokens(std::string_view text, const CleanOptions& options) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const bool begins = at == 0 || !is_name_byte(text[at - 1]);
    const std::size_t url = options.urls && begins ? url_bytes(text, at) : 0;
    std::size_t end = at + 1;
    if (options.mentions && begins && text[at] == '@')
      while (end < text.size() && is_name_byte(text[end])) ++end;
    if (url > 0) {
      out += "httpurl";
      at += url;
    } else {
      out += end > at + 1 ? std::string_view("@user") : text.substr(at, 1);
      at = end;
    }
  }
  return out;
}

inline std::string with_single_spaces(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (!is_space(c.value)) {
      out += text.substr(at, std::size_t(c.bytes));
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
    at += std::size_t(c.bytes);
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

inline std::string cleaned_once(std::string text, const CleanOptions& o) {
  if (o.nfc || o.nfkc) normalize(text, o.nfkc);
  text = scrubbed(text, o);
  if (o.urls || o.mentions) text = with_tokens(text, o);
  return o.space ? with_single_spaces(text) : text;
}

}  // namespace detail

/// The text, cleaned until cleaning changes nothing more: mostly one round and one that sees so.
inline std::string clean(std::string_view text, const CleanOptions& options) {
  constexpr int most_rounds = 16;  // a text made to need more than four has not been found
  std::string now(text);
  for (int round = 0; round < most_rounds; ++round) {
    std::string next = detail::cleaned_once(now, options);
    if (next == now) break;
    now = std::move(next);
  }
  return now;
}

}  // namespace quern::inline QUERN_ABI
