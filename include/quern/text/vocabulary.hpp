/// Tokens and their ids. Id 0 is <unk>, the token of all words that are not in the vocabulary.
///
///   Vocabulary words = Vocabulary::of(texts, Tokenizer::words(), {.min_count = 2});
///   words.id("film");  words.token(17);  words.size();
///   words.save("model/vocabulary.txt");                    // one token a line, line n is id n-1
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/error.hpp>
#include <quern/base/file.hpp>
#include <quern/text/encoding.hpp>
#include <quern/text/string_table.hpp>
#include <quern/text/tokenizer.hpp>

namespace quern::inline QUERN_ABI {

/// How often each token occurs.
class TokenCounts {
 public:
  void add(std::string_view token, std::int64_t n = 1) {
    const auto i = std::size_t(tokens_.add(token));
    if (i == counts_.size()) counts_.push_back(0);
    counts_[i] += n;
  }
  std::int32_t size() const { return tokens_.size(); }
  const std::string& token(std::int32_t i) const { return tokens_[i]; }
  std::int64_t count(std::int32_t i) const { return counts_[std::size_t(i)]; }

 private:
  StringTable tokens_;
  std::vector<std::int64_t> counts_;
};

/// Counts the tokens of texts.
inline TokenCounts count_tokens(const std::vector<std::string>& texts, const Tokenizer& tokenizer) {
  TokenCounts counts;
  for (const auto& text : texts) tokenizer.each(text, [&](std::string_view token) { counts.add(token); });
  return counts;
}

struct VocabularyOptions {
  std::int64_t min_count = 1;  // tokens that occur less often become <unk>
  std::int64_t max_size = 0;   // with <unk>; the rarest are left out; 0: no limit
};

class Vocabulary {
 public:
  static constexpr std::string_view unknown = "<unk>";
  static constexpr std::int32_t unknown_id = 0;

  /// Only <unk>.
  Vocabulary() { tokens_.add(unknown); }

  /// Tokens by falling count, equal counts by bytes: the order of the texts changes nothing.
  [[gnu::cold]] static Vocabulary of(const TokenCounts& counts, VocabularyOptions options = {}) {
    require(options.min_count >= 1, "vocabulary: min_count ", options.min_count, " is below 1");
    require(options.max_size >= 0, "vocabulary: max_size ", options.max_size, " is below 0");
    std::vector<std::int64_t> order;
    for (std::int32_t i = 0; i < counts.size(); ++i)
      if (counts.count(i) >= options.min_count && counts.token(i) != unknown) order.push_back(i);
    detail::sort_numbers(order, [&](std::int64_t a, std::int64_t b) {
      const std::int64_t more = counts.count(std::int32_t(a)) - counts.count(std::int32_t(b));
      return more != 0 ? more > 0 : counts.token(std::int32_t(a)) < counts.token(std::int32_t(b));
    });
    if (options.max_size > 0 && std::int64_t(order.size()) >= options.max_size)
      order.resize(std::size_t(options.max_size - 1));
    Vocabulary v;
    for (const auto i : order) v.add(counts.token(std::int32_t(i)));
    return v;
  }
  static Vocabulary of(const std::vector<std::string>& texts, const Tokenizer& tokenizer,
                       VocabularyOptions options = {}) {
    return of(count_tokens(texts, tokenizer), options);
  }

  /// The id of a token, unknown_id if it is not in the vocabulary.
  std::int32_t id(std::string_view token) const { return std::max(tokens_.find(token), unknown_id); }
  bool contains(std::string_view token) const { return tokens_.find(token) != StringTable::none; }

  const std::string& token(std::int32_t id) const {
    require(id >= 0 && id < size(), "vocabulary: id ", id, " of ", size());
    return tokens_[id];
  }
  std::int32_t size() const { return tokens_.size(); }

  /// Writes one token a line, atomically.
  void save(const std::string& path) const {
    std::string bytes;
    for (std::int32_t i = 0; i < size(); ++i) (bytes += tokens_[i]) += '\n';
    atomic_write(path, bytes);
  }

  /// Reads what save() wrote; anything else is an Error with file and line.
  static Vocabulary load(const std::string& path) {
    const std::string bytes = read_file(path);
    check(!bytes.empty(), path, ": the file is empty; expected a vocabulary, one token a line, the first ", unknown);
    const std::size_t bad = first_invalid_utf8(bytes);
    if (bad != std::string::npos) detail::throw_not(Encoding::utf8, bytes, bad, path);
    Vocabulary v;
    std::int64_t line = 1;
    for (std::size_t begin = 0; begin < bytes.size(); ++line) {
      const std::size_t end = bytes.find('\n', begin);
      check(end != std::string::npos, path, ":", line, ": the last line has no end: the file is truncated");
      const std::string_view token = std::string_view(bytes).substr(begin, end - begin);
      begin = end + 1;
      if (line == 1) {
        check(token == unknown, path, ":1: expected ", unknown, ", got '", token.substr(0, 40), "'");
        continue;
      }
      check(is_token(token), path, ":", line, ": expected one token, got ",
            token.empty() ? "an empty line" : "a token with \\r or NUL");
      check(!v.contains(token), path, ":", line, ": '", token.substr(0, 40), "' is already on line ",
            v.tokens_.find(token) + 1);
      v.add(token);
    }
    return v;
  }

  friend bool operator==(const Vocabulary& a, const Vocabulary& b) {
    if (a.size() != b.size()) return false;
    for (std::int32_t i = 0; i < a.size(); ++i)
      if (a.tokens_[i] != b.tokens_[i]) return false;
    return true;
  }

 private:
  static bool is_token(std::string_view token) {
    using namespace std::literals;
    return !token.empty() && token.find_first_of("\n\r\0"sv) == std::string_view::npos;
  }
  void add(std::string_view token) {
    require(is_token(token), "vocabulary: a token is empty or holds a line end or NUL");
    require(tokens_.size() < INT32_MAX, "vocabulary: more than 2^31 tokens");
    tokens_.add(token);
  }

  StringTable tokens_;
};

/// "17402 tokens: <unk> the , a and …"
inline void append_text(std::string& out, const Vocabulary& v) {
  out += text_of(v.size(), " tokens:");
  for (std::int32_t i = 0; i < std::min(v.size(), 6); ++i) (out += ' ') += v.token(i);
  if (v.size() > 6) out += " …";
}

}  // namespace quern::inline QUERN_ABI
