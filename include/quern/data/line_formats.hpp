/// Files with one labelled text on each line, as data sets are published.
///
///   const LineFormat* trec = line_format("trec");
///   LabelledLine line = trec->split("DESC:manner How did serfdom develop ?");   // DESC, "How did serfdom develop ?"
///   line_format("csv") == nullptr;
///
/// fasttext: `__label__name text`. trec: `COARSE:fine text` of Li & Roth (2002), labelled by the coarse class;
/// trec-fine: by both, as DESC:manner. sentence@label: the label behind the last @, as in Malo et al. (2014).
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/error.hpp>
#include <quern/data/csv.hpp>
#include <quern/data/names.hpp>
#include <quern/data/table.hpp>

namespace quern::inline QUERN_ABI {

/// Views into a line. `label` is empty where the line has not the form that was asked for.
struct LabelledLine {
  std::string_view label, text;
};

struct LineFormat {
  const char *name, *form, *reason;                 // reason: of the guess
  LabelledLine (*split)(std::string_view trimmed);  // line without white space at its ends
};

namespace detail {

[[gnu::cold]] inline LabelledLine split_fasttext(std::string_view line) {
  constexpr std::string_view prefix = "__label__";
  const std::size_t end = std::min(line.find_first_of(" \t\r"), line.size());
  if (!line.starts_with(prefix)) return {};
  return {line.substr(prefix.size(), end - prefix.size()), trimmed(line.substr(end))};
}

[[gnu::cold]] inline LabelledLine split_trec_fine(std::string_view line) {
  const auto all_within = [](std::string_view s, char first, char last) {
    for (const char c : s)
      if (c < first || c > last) return false;
    return !s.empty();
  };
  const std::size_t space = std::min(line.find(' '), line.size()), colon = std::min(line.find(':'), space);
  if (colon == space || space == line.size()) return {};
  const std::string_view coarse = line.substr(0, colon), fine = line.substr(colon + 1, space - colon - 1);
  if (!all_within(coarse, 'A', 'Z') || !all_within(fine, 'a', 'z')) return {};
  return {line.substr(0, space), trimmed(line.substr(space))};
}
[[gnu::cold]] inline LabelledLine split_trec(std::string_view line) {
  const LabelledLine fine = split_trec_fine(line);
  return {fine.label.substr(0, fine.label.find(':')), fine.text};
}

[[gnu::cold]] inline LabelledLine split_sentence_at_label(std::string_view line) {
  const std::size_t at = line.rfind('@');
  if (at == std::string_view::npos) return {};
  const std::string_view label = trimmed(line.substr(at + 1)), text = trimmed(line.substr(0, at));
  if (text.empty() || label.find_first_of(" \t\r") != std::string_view::npos) return {};
  return {label, text};
}

inline constexpr LineFormat line_formats[] = {
    {"fasttext", "'__label__name text'", "the first line begins with __label__", split_fasttext},
    {"trec", "'COARSE:fine text'", "the first line has the form COARSE:fine text of TREC", split_trec},
    {"trec-fine", "'COARSE:fine text'", "", split_trec_fine},
    {"sentence@label", "'sentence@label'", "the first lines all end in @label", split_sentence_at_label},
};

}  // namespace detail

/// The format of that name, or nullptr.
inline const LineFormat* line_format(std::string_view name) {
  for (const LineFormat& format : detail::line_formats)
    if (name == format.name) return &format;
  return nullptr;
}

namespace detail {

/// Whether each of the first hundred lines is a sentence, @, and a word for its label. A line that ends in a mention,
/// "thanks @someone", is none.
[[gnu::cold]] inline bool looks_like_sentence_at_label(std::string_view text) {
  LineReader lines(text, "");
  int seen = 0;
  for (std::string_view line; seen < 100 && lines.next(line);) {
    line = trimmed(line);
    if (line.empty()) continue;
    const LabelledLine parts = split_sentence_at_label(line);
    if (parts.label.empty() || parts.label.find('.') != std::string_view::npos) return false;
    if (line[line.rfind('@') - 1] == ' ') return false;
    ++seen;
  }
  return seen > 0;
}

/// Reads every line that is not blank; the labels are numbers of `names`.
[[gnu::cold]] inline void read_lines(std::string_view text, const LineFormat& format, ReadResult& result,
                                     StringTable& names) {
  Dataset& data = result.data;
  LineReader lines(text, data.source);
  std::int64_t blank = 0;
  for (std::string_view line; lines.next(line);) {
    line = trimmed(line);
    if (line.empty()) {
      ++blank;
      continue;
    }
    const LabelledLine parts = format.split(line);
    // In cut-off lines the label may be at the end.
    const bool at_end = format.split == split_sentence_at_label && line.size() > 40;
    check(!parts.label.empty(), data.source, ":", lines.line(), ": expected a line of the form ", format.form,
          at_end ? ", it ends with '" : ", it begins with '",
          at_end ? line.substr(line.size() - 40) : line.substr(0, 40), "'");
    check(format.split != split_fasttext || !parts.text.starts_with("__label__"), data.source, ":", lines.line(),
          ": a text with several labels; one label for each text is expected");
    data.labels.push_back(names.add(parts.label));
    data.texts.push_back(std::string(parts.text));
    data.lines.push_back(lines.line());
  }
  check(data.size() > 0, data.source, ": no lines of the form ", format.form);
  if (blank > 0) result.notes.push_back(text_of(data.source, ": ", blank, " blank lines passed over"));
}

}  // namespace detail
}  // namespace quern::inline QUERN_ABI
