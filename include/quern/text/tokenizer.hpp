/// From text to tokens.
///
///   Tokenizer tokenizer = Tokenizer::words();              // or characters(), or named("characters")
///   tokenizer("It's café №1, isn't it? 😀");               // it 's café 1 , is n't it ? 😀
///   tokenizer.each(text, [&](std::string_view token) { … });   // no allocation for each token
///
/// words: the cleaning of Kim, "Convolutional neural networks for sentence classification" (2014), lower-cased:
/// letters, digits, ' and ` make words; 's 've n't 're 'd 'll are tokens; so are , ! ( ) ?; other symbols part words.
/// Beyond his ASCII, letters of all scripts make words, Chinese and Japanese characters and emoji are tokens of their
/// own. characters: each Chinese or Japanese character, symbol and punctuation mark is a token, and each run of other
/// letters and digits, lower-cased; white space is dropped. In both, full-width letters and digits are read as ASCII,
/// and so is full-width punctuation in words.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/error.hpp>
#include <quern/base/function_ref.hpp>
#include <quern/text/utf8.hpp>

namespace quern::inline QUERN_ABI {

class Tokenizer {
 public:
  using Take = FunctionRef<void(std::string_view)>;

  static Tokenizer words() { return Tokenizer(false); }
  static Tokenizer characters() { return Tokenizer(true); }
  static Tokenizer named(std::string_view name) {
    check(name == "words" || name == "characters", "tokenizer '", name, "' is not known; expected words or characters");
    return Tokenizer(name == "characters");
  }

  const char* name() const { return characters_ ? "characters" : "words"; }
  friend bool operator==(const Tokenizer&, const Tokenizer&) = default;

  std::vector<std::string> operator()(std::string_view text) const {
    std::vector<std::string> tokens;
    each(text, [&](std::string_view token) { tokens.push_back(std::string(token)); });
    return tokens;
  }

  /// Calls f(token) for each token in order; the view is valid during the call. Takes any bytes: those that are not
  /// UTF-8 part words.
  void each(std::string_view text, Take f) const {
    std::string word;
    const auto end_word = [&] {
      if (!word.empty()) characters_ ? f(word) : split_contractions(word, f);
      word.clear();
    };
    for (std::size_t at = 0; at < text.size();) {
      const CodePoint c = code_point_at(text, at);
      const char32_t folded = fold(c.value);
      if (is_invisible(folded)) {  // neither shows nor parts
        at += std::size_t(c.bytes);
      } else if (continues_word(folded)) {
        append_utf8(word, folded);
        at += std::size_t(c.bytes);
      } else {
        end_word();
        const std::size_t bytes = is_emoji(c.value) ? emoji_bytes(text, at) : std::size_t(c.bytes);
        if (c.ok && is_token(folded)) {
          if (folded == c.value) {
            f(text.substr(at, bytes));
          } else {
            append_utf8(word, folded);
            f(word);
            word.clear();
          }
        }
        at += bytes;
      }
    }
    end_word();
  }

 private:
  explicit Tokenizer(bool characters) : characters_(characters) {}

  /// Small letters; full-width forms and the typographic apostrophe as ASCII.
  char32_t fold(char32_t c) const {
    if (detail::in(c, 0xFF01, 0xFF5E)) {
      const char32_t ascii = c - 0xFEE0;
      if (!characters_ || is_word(ascii)) c = ascii;
    }
    if (c == 0x2019 && !characters_) return '\'';
    return lower(c);
  }

  bool continues_word(char32_t c) const { return is_word(c) || (!characters_ && (c == '\'' || c == '`')); }

  /// Whether a character that is not part of a word is a token of its own.
  bool is_token(char32_t c) const {
    if (characters_) return !is_space(c);
    return c == ',' || c == '!' || c == '(' || c == ')' || c == '?' || is_cjk(c) || is_emoji(c);
  }

  /// The bytes of the emoji at `at` with what modifies it: a skin tone, the second letter of a flag, a selector, and
  /// emoji tied to it by a zero-width joiner.
  [[gnu::noinline]] static std::size_t emoji_bytes(std::string_view text, std::size_t at) {
    constexpr char32_t joiner = 0x200D;
    const auto flag = [](char32_t c) { return detail::in(c, 0x1F1E6, 0x1F1FF); };
    const CodePoint first = code_point_at(text, at);
    std::size_t end = at + std::size_t(first.bytes);
    bool flag_open = flag(first.value), tied = false;
    while (end < text.size()) {
      const CodePoint c = code_point_at(text, end);
      const bool tone = detail::in(c.value, 0x1F3FB, 0x1F3FF);
      if (!is_invisible(c.value) && !tone && !(flag_open && flag(c.value)) && !(tied && is_emoji(c.value))) break;
      if (flag(c.value)) flag_open = false;
      tied = c.value == joiner;
      end += std::size_t(c.bytes);
    }
    return end - at;
  }

  /// Cuts a word before 's 've n't 're 'd 'll, as often as they occur.
  [[gnu::noinline]] static void split_contractions(std::string_view word, Take f) {
    std::size_t begin = 0;
    const auto cut = [&](std::size_t at) {
      if (at > begin) f(word.substr(begin, at - begin));
      begin = at;
    };
    for (std::size_t i = 0; (i = word.find('\'', i)) != std::string_view::npos; ++i) {
      const std::string_view after = word.substr(i + 1, 2);
      if (after.starts_with('s') || after.starts_with('d') || after == "ve" || after == "re" || after == "ll") {
        cut(i);
      } else if (after.starts_with('t') && i > begin && word[i - 1] == 'n') {
        cut(i - 1);
      }
    }
    cut(word.size());
  }

  bool characters_;
};

inline void append_text(std::string& out, const Tokenizer& t) { out += t.name(); }

}  // namespace quern::inline QUERN_ABI
