/// What there is to know about a data set before training on it: sizes, lengths, and the texts to look at.
///
///   const Survey s = survey(data, Tokenizer::words());
///   s.tokens.p95;  s.contradictions.size();
///   data.lines[std::size_t(s.contradictions[0][1])];        // the line of the second text of the first group
///
/// Two texts are the same when their tokens are: that is all a model sees of them.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <quern/data/dataset.hpp>
#include <quern/text/html.hpp>
#include <quern/text/string_table.hpp>
#include <quern/text/tokenizer.hpp>
#include <quern/text/utf8.hpp>

namespace quern::inline QUERN_ABI {

/// Of all texts; p50 is the length that half of them do not exceed.
struct Lengths {
  double mean = 0;
  std::int64_t least = 0, p50 = 0, p90 = 0, p95 = 0, p99 = 0, most = 0;
  std::int64_t longest = -1;  // index of the first text of that length
};

/// Texts that have something in common that may be wrong.
struct Finding {
  const char *kind, *explanation;
  std::vector<std::int64_t> texts;  // indices, rising
};

struct Survey {
  std::vector<std::int64_t> counts;  // of each class
  Lengths characters, tokens;
  std::int64_t repeated = 0;                              // texts that stood before with the same label
  std::vector<std::vector<std::int64_t>> duplicates;      // the same text several times with one label
  std::vector<std::vector<std::int64_t>> contradictions;  // the same text with several labels: all its places
  std::vector<Finding> findings;                          // those that found something
};

namespace detail {

inline Lengths lengths_of(const std::vector<std::int64_t>& lengths) {
  Lengths l;
  const std::size_t n = lengths.size();
  if (n == 0) return l;
  auto order = numbers_below(std::int64_t(n));
  sort_numbers(order,
               [&](std::int64_t a, std::int64_t b) { return lengths[std::size_t(a)] < lengths[std::size_t(b)]; });
  const auto at_rank = [&](std::size_t percent) {  // the nearest rank, rounded up
    return lengths[std::size_t(order[std::max<std::size_t>((n * percent + 99) / 100, 1) - 1])];
  };
  for (const auto length : lengths) l.mean += double(length) / double(n);
  l.least = at_rank(0), l.p50 = at_rank(50), l.p90 = at_rank(90), l.p95 = at_rank(95), l.p99 = at_rank(99);
  l.most = at_rank(100);
  l.longest = std::find(lengths.begin(), lengths.end(), l.most) - lengths.begin();
  return l;
}

/// What the characters of a text say; the parts of the wording of findings.
struct Marks {
  std::int64_t characters = 0;
  bool control = false, replacement = false, misread = false, html = false, several_lines = false;
};

inline Marks marks_of(std::string_view text) {
  Marks m;
  char32_t before = 0;
  for (std::size_t at = 0; at < text.size(); ++m.characters) {
    const CodePoint c = code_point_at(text, at);
    m.control |= (c.value < 0x20 && c.value != '\t' && c.value != '\n' && c.value != '\r') || in(c.value, 0x7F, 0x9F);
    m.replacement |= c.value == 0xFFFD;
    // UTF-8 that was taken for ISO-8859-1 or Windows-1252: é shows as Ã©, ’ as â€™.
    m.misread |= (in(before, 0xC2, 0xC3) && in(c.value, 0x80, 0xBF)) || (before == 0xE2 && c.value == 0x20AC);
    m.several_lines |= c.value == '\n';
    before = c.value;
    at += std::size_t(c.bytes);
  }
  m.html = holds_html(text);
  return m;
}

/// Puts the groups of equal texts, in the order of their first, where they belong.
inline void find_equal_texts(const Dataset& data, const std::vector<std::int32_t>& text_of_index, std::int32_t distinct,
                             Survey& s) {
  std::vector<std::vector<std::int64_t>> places(static_cast<std::size_t>(distinct));
  for (std::size_t i = 0; i < text_of_index.size(); ++i)
    if (text_of_index[i] != StringTable::none) places[std::size_t(text_of_index[i])].push_back(std::int64_t(i));
  for (const auto& group : places) {
    if (group.size() < 2) continue;
    std::vector<std::int32_t> labels;
    for (const auto i : group) {
      const std::int32_t label = data.labels[std::size_t(i)];
      const bool seen = std::find(labels.begin(), labels.end(), label) != labels.end();
      s.repeated += seen;
      if (!seen) labels.push_back(std::int32_t(label));
    }
    (labels.size() > 1 ? s.contradictions : s.duplicates).push_back(group);
  }
}

}  // namespace detail

/// Looks at every text. The tokenizer says what its tokens are, and so which texts are the same.
inline Survey survey(const Dataset& data, const Tokenizer& tokenizer) {
  Survey s;
  s.counts = data.counts();
  Finding empty{"empty", "no token: the model sees <unk> alone", {}};
  Finding short_one{"nearly empty", "one token alone", {}};
  Finding control{"control characters", "often Windows-1252 read as ISO-8859-1; --clean control makes them spaces", {}};
  Finding replacement{"U+FFFD", "bytes were lost when the file was made: convert it anew from its source", {}};
  Finding misread{"misread UTF-8", "as Ã© for é: the file was converted once too often", {}};
  Finding html{"HTML", "tags or references; --clean html removes them", {}};
  Finding several_lines{"several lines", "line ends inside a quoted field; right if the texts have paragraphs", {}};
  Finding longer{"very long", "more than 20 times the median: several texts in one?", {}};
  StringTable texts;
  std::vector<std::int32_t> numbers;
  std::vector<std::int64_t> characters, tokens;
  for (std::int64_t i = 0; i < data.size(); ++i) {
    const std::string& text = data.texts[std::size_t(i)];
    std::string key;
    std::int64_t count = 0;
    tokenizer.each(text, [&](std::string_view token) { (key += token) += '\n', ++count; });
    numbers.push_back(count > 0 ? texts.add(key) : StringTable::none);
    tokens.push_back(std::int64_t(count));
    const detail::Marks marks = detail::marks_of(text);
    characters.push_back(std::int64_t(marks.characters));
    const auto note = [&](Finding& finding, bool found) {
      if (found) finding.texts.push_back(std::int64_t(i));
    };
    note(empty, count == 0), note(short_one, count == 1), note(control, marks.control);
    note(replacement, marks.replacement), note(misread, marks.misread), note(html, marks.html);
    note(several_lines, marks.several_lines);
  }
  s.characters = detail::lengths_of(characters), s.tokens = detail::lengths_of(tokens);
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] > 20 * std::max<std::int64_t>(s.tokens.p50, 1)) longer.texts.push_back(std::int64_t(i));
  detail::find_equal_texts(data, numbers, texts.size(), s);
  for (auto* finding : {&empty, &short_one, &control, &replacement, &misread, &html, &several_lines, &longer})
    if (!finding->texts.empty()) s.findings.push_back(std::move(*finding));
  return s;
}

}  // namespace quern::inline QUERN_ABI
