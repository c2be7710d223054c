/// Needs utf8proc (link utf8proc). Text as BERT's tokenizers cut it into words, before words are cut into pieces.
///
///   BertWords words({.lowercase = true});
///   words.each("Café, 中文", [&](std::string_view word, std::span<const std::int32_t> at) { … });
///                                                           // "cafe" "," "中" "文"; at: 0 1 2 3 | 4 | 6 | 7
///
/// Equal to BertNormalizer and BertPreTokenizer of Hugging Face's `tokenizers`: controls, invisible characters and
/// U+FFFD go, white space becomes a space, spaces stand around Chinese characters, accents go (NFD without Mn),
/// capitals become small; then white space and punctuation part words, and each punctuation mark is one. What is not
/// UTF-8 is U+FFFD first, one for each longest beginning of a character (as Python's errors="replace").
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <quern/base/error.hpp>
#include <quern/base/function_ref.hpp>
#include <quern/text/bert_characters.hpp>
#include <quern/text/utf8.hpp>

namespace quern::inline QUERN_ABI {

struct BertWordsOptions {
  bool lowercase = true;
  std::optional<bool> strip_accents{};  // by default as lowercase
  bool chinese = true;                  // each Chinese character is a word
  bool clean = true;                    // drop controls, read all white space as spaces

  bool strips_accents() const { return strip_accents.value_or(lowercase); }
  friend bool operator==(const BertWordsOptions&, const BertWordsOptions&) = default;
};

/// The character at byte `at`; where there is none, U+FFFD for as many bytes as could have begun one (Unicode 15, §3.9,
/// "maximal subparts").
inline CodePoint code_point_or_part(std::string_view text, std::size_t at) {
  CodePoint c = code_point_at(text, at);
  if (c.ok) return c;
  const auto byte = [&](std::size_t i) {
    return at + i < text.size() ? unsigned(static_cast<unsigned char>(text[at + i])) : 0;
  };
  const unsigned lead = byte(0);
  if (lead < 0xC2 || lead > 0xF4) return c;
  const unsigned least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;  // no overlong forms
  const unsigned most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;   // no surrogates, none above U+10FFFF
  if (lead < 0xE0 || byte(1) < least || byte(1) > most) return c;
  c.bytes = lead >= 0xF0 && byte(2) >= 0x80 && byte(2) <= 0xBF ? 3 : 2;
  return c;
}

/// A character of the normalized text, and the character of the text that it came from.
struct BertCharacter {
  char32_t value;
  std::int32_t at;
};

class BertWords {
 public:
  using Take = FunctionRef<void(std::string_view word, std::span<const std::int32_t> at)>;

  /// Memory that calls share, so that they allocate none of their own.
  struct Scratch {
    std::vector<BertCharacter> characters, parts;
    std::string word;
    std::vector<std::int32_t> at;
  };

  explicit BertWords(BertWordsOptions options = {}) : options_(options), strips_(options.strips_accents()) {}
  const BertWordsOptions& options() const { return options_; }

  /// Calls f for each word: its normalized bytes, and for each of them the place of its character in the text.
  void each(std::string_view text, Take f) const {
    Scratch scratch;
    normalize(text, 0, scratch);
    cut(scratch.characters, scratch, f);
  }

  /// Writes the normalized text to scratch.characters; gives the place after it. `first` is the place of the text's
  /// first character.
  std::int32_t normalize(std::string_view text, std::int32_t first, Scratch& scratch) const {
    auto& out = scratch.characters;
    out.clear();
    std::uint8_t classes = 0;  // of all
    for (std::size_t i = 0; i < text.size(); ++first) {
      CodePoint c = code_point_or_part(text, i);
      i += std::size_t(c.bytes);
      const std::uint8_t of = characters_->of(c.value);
      if (options_.clean) {
        const bool breaks = c.value == '\t' || c.value == '\n' || c.value == '\r';
        if ((of & BertCharacters::removed) && !breaks) continue;
        if (of & BertCharacters::space) c.value = ' ';
      }
      classes |= of;
      const bool apart = options_.chinese && (of & BertCharacters::ideograph);
      if (apart) out.push_back({' ', first});
      out.push_back({c.value, first});
      if (apart) out.push_back({' ', first});
    }
    if (strips_ && (classes & BertCharacters::changes)) strip(scratch);
    if (options_.lowercase) lower(scratch);
    return first;
  }

  /// Calls f for each word of normalized characters.
  void cut(std::span<const BertCharacter> characters, Scratch& scratch, Take f) const {
    std::string& word = scratch.word;
    std::vector<std::int32_t>& at = scratch.at;
    const auto end_word = [&] {
      if (!word.empty()) f(word, at);
      word.clear(), at.clear();
    };
    end_word();
    for (const auto& c : characters) {
      const std::uint8_t of = characters_->of(c.value);
      const bool alone = of & BertCharacters::punctuation;
      if (alone || (of & BertCharacters::space)) end_word();
      if (of & BertCharacters::space) continue;
      append_utf8(word, c.value);
      at.resize(word.size(), c.at);
      if (alone) end_word();
    }
    end_word();
  }

 private:
  /// NFD, then without marks. A part of a character stands where the character stood. Marks that change places leave
  /// the places in the text as they were, in rising order: so does `tokenizers`.
  void strip(Scratch& scratch) const {
    std::vector<BertCharacter>&out = scratch.characters, &parts = scratch.parts;
    parts.clear();
    for (const auto& c : out) {  // in `parts`, at is 1 for a further part of the same character
      if (!(characters_->of(c.value) & BertCharacters::moves)) {
        parts.push_back({c.value, 0});
        continue;
      }
      std::int32_t further = 0;
      characters_->parts(c.value, [&](char32_t part) { parts.push_back({part, std::exchange(further, 1)}); });
    }
    sort_marks(parts);
    std::size_t taken = 0;
    for (auto& c : parts) {
      if (c.at == 0) ++taken;
      c.at = out[taken - 1].at;
    }
    out.clear();
    for (const auto& c : parts)
      if (!(characters_->of(c.value) & BertCharacters::mark)) out.push_back(c);
  }

  /// The canonical order: each run of marks by their class; equal ones stay as they are.
  void sort_marks(std::vector<BertCharacter>& parts) const {
    const auto order = [&](const BertCharacter& c) {
      return characters_->of(c.value) & BertCharacters::moves ? BertCharacters::order(c.value) : 0;
    };
    const auto end = parts.end();
    for (auto run = parts.begin(); run != end;) {
      if (order(*run) == 0) {
        ++run;
        continue;
      }
      const auto run_end = std::find_if(run, end, [&](const auto& c) { return order(c) == 0; });
      std::stable_sort(run, run_end, [&](const auto& a, const auto& b) { return order(a) < order(b); });
      run = run_end;
    }
  }

  void lower(Scratch& scratch) const {
    std::vector<BertCharacter>&out = scratch.characters, &parts = scratch.parts;
    bool two = false;  // U+0130 becomes two characters
    for (auto& c : out) {
      two |= c.value == 0x130;
      if (c.value != 0x130 && (characters_->of(c.value) & BertCharacters::capital))
        c.value = BertCharacters::small(c.value);
    }
    if (!two) return;
    parts.clear();
    for (const auto& c : out) {
      parts.push_back(c.value == 0x130 ? BertCharacter{U'i', c.at} : c);
      if (c.value == 0x130) parts.push_back({0x307, c.at});
    }
    out.swap(parts);
  }

  BertWordsOptions options_;
  bool strips_;
  const BertCharacters* characters_ = &BertCharacters::table();
};

}  // namespace quern::inline QUERN_ABI
