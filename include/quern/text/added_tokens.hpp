/// Needs utf8proc (link utf8proc). Tokens that are found in a text as they stand, before it is cut into words: [MASK],
/// and what was added to a vocabulary by hand.
///
///   AddedTokens tokens({{.content = "[MASK]", .id = 103, .lstrip = true}});
///   tokens.split("a [MASK].", [&](const AddedToken* token, std::size_t begin, std::size_t end) { … });
///                                             // nullptr 0 1, [MASK] 1 8, nullptr 8 9
///
/// As in Hugging Face's `tokenizers`: the leftmost, of those that begin at the same place the longest.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <quern/base/error.hpp>
#include <quern/base/function_ref.hpp>
#include <quern/text/bert_characters.hpp>
#include <quern/text/utf8.hpp>

namespace quern::inline QUERN_ABI {

struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool single_word = false;             // not inside of a word
  bool lstrip = false, rstrip = false;  // takes the white space before it, after it
  bool normalized = false;              // is looked for in the normalized text
  bool special = true;
};

class AddedTokens {
 public:
  using Take = FunctionRef<void(const AddedToken* token, std::size_t begin, std::size_t end)>;

  AddedTokens() = default;
  /// Of tokens with the same content the first counts.
  explicit AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
    for (const auto& token : tokens_) {
      check(!token.content.empty(), "added tokens: the token ", token.id, " is empty");
      check(!is_white(code_point_at(token.content, 0).value), "added tokens: the token ", token.id, " ('",
            token.content, "') begins with white space, which is not supported");
    }
    std::stable_sort(tokens_.begin(), tokens_.end(), [](const AddedToken& a, const AddedToken& b) {
      return a.content[0] != b.content[0] ? first(a) < first(b) : a.content.size() > b.content.size();
    });
    for (std::size_t i = tokens_.size(); i-- > 0;) begins_[first(tokens_[i])] = std::int32_t(i);
    for (const auto& token : tokens_) one_byte_ &= first(token) == first(tokens_[0]);
  }

  bool empty() const { return tokens_.empty(); }

  /// Calls f for each token and for each stretch between them (nullptr), in order; none of these is empty.
  void split(std::string_view text, Take f) const {
    std::size_t done = 0;  // all before is given
    for (std::size_t at = 0; (at = next_candidate(text, at)) < text.size();) {
      const AddedToken* token = longest_at(text, at);
      if (!token) {
        ++at;
        continue;
      }
      std::size_t begin = at, end = at + token->content.size();
      at = end;  // what is not taken is not looked at again either
      if (token->single_word && !stands_alone(text, begin, end)) continue;
      if (token->lstrip)
        while (begin > done && is_white_before(text, begin)) begin = character_before(text, begin);
      if (token->rstrip)
        while (end < text.size() && is_white(code_point_at(text, end).value)) end += step(text, end);
      if (done < begin) f(nullptr, done, begin);
      f(token, begin, end);
      at = done = end;
    }
    if (done < text.size()) f(nullptr, done, text.size());
  }

 private:
  static unsigned char first(const AddedToken& token) { return static_cast<unsigned char>(token.content[0]); }

  /// The next place whose byte begins a token.
  std::size_t next_candidate(std::string_view text, std::size_t at) const {
    if (tokens_.empty() || at >= text.size()) return text.size();
    if (one_byte_) {
      const void* found = std::memchr(text.data() + at, first(tokens_[0]), text.size() - at);
      return found ? std::size_t(static_cast<const char*>(found) - text.data()) : text.size();
    }
    while (at < text.size() && begins_[static_cast<unsigned char>(text[at])] < 0) ++at;
    return at;
  }

  const AddedToken* longest_at(std::string_view text, std::size_t at) const {
    for (auto i = std::size_t(begins_[static_cast<unsigned char>(text[at])]); i < tokens_.size(); ++i) {
      if (tokens_[i].content[0] != text[at]) break;
      if (text.substr(at).starts_with(tokens_[i].content)) return &tokens_[i];
    }
    return nullptr;
  }

  static std::size_t step(std::string_view text, std::size_t at) { return std::size_t(code_point_at(text, at).bytes); }
  static std::size_t character_before(std::string_view text, std::size_t at) {
    std::size_t begin = at - 1;
    while (begin > 0 && at - begin < 4 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    return code_point_at(text, begin).bytes == int(at - begin) ? begin : at - 1;
  }
  static bool is_white(char32_t c) { return BertCharacters::table().of(c) & BertCharacters::space; }
  static bool is_white_before(std::string_view text, std::size_t at) {
    return is_white(code_point_at(text, character_before(text, at)).value);
  }

  /// No letter, digit, mark or connector (\w of regular expressions) touches it.
  static bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
    return (begin == 0 || !is_of_word(code_point_at(text, character_before(text, begin)).value)) &&
           (end == text.size() || !is_of_word(code_point_at(text, end).value));
  }
  static bool is_of_word(char32_t c) {
    switch (utf8proc_category(utf8proc_int32_t(c))) {
      case UTF8PROC_CATEGORY_LU:
      case UTF8PROC_CATEGORY_LL:
      case UTF8PROC_CATEGORY_LT:
      case UTF8PROC_CATEGORY_LM:
      case UTF8PROC_CATEGORY_LO:
      case UTF8PROC_CATEGORY_MN:
      case UTF8PROC_CATEGORY_MC:
      case UTF8PROC_CATEGORY_ME:
      case UTF8PROC_CATEGORY_ND:
      case UTF8PROC_CATEGORY_NL:
      case UTF8PROC_CATEGORY_PC:
        return true;
      default:
        break;
    }
    using detail::in;  // letters in circles and squares are alphabetic though they are symbols; joiners
    return in(c, 0x24B6, 0x24E9) || in(c, 0x1F130, 0x1F149) || in(c, 0x1F150, 0x1F169) || in(c, 0x1F170, 0x1F189) ||
           c == 0x200C || c == 0x200D;
  }

  std::vector<AddedToken> tokens_;  // by first byte, then from long to short
  std::array<std::int32_t, 256> begins_ = filled();
  bool one_byte_ = true;  // all begin with the same

  static std::array<std::int32_t, 256> filled() {
    std::array<std::int32_t, 256> none{};
    none.fill(-1);
    return none;
  }
};

}  // namespace quern::inline QUERN_ABI
