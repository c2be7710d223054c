#include "reading.hpp"

#include <quern/data/xz.hpp>
#include <quern/io/jsonl.hpp>
#include <quern/text/clean.hpp>

#include "commands.hpp"

using namespace quern;

void check_reading(const std::string& format, const std::string& encoding, bool with_labels) {
  const bool known = with_labels ? detail::is_one_of(dataset_formats, format) : detail::is_one_of(text_formats, format);
  if (!format.empty() && !known)
    throw UsageError(text_of("--format: expected ",
                             with_labels ? detail::one_of(dataset_formats) : detail::one_of(text_formats), ", got '",
                             format, "'"));
  if (encoding.empty()) return;
  try {
    encoding_named(encoding);
  } catch (const Error& e) { throw UsageError(std::string("--encoding: ") + e.what()); }
}

ReadOptions reading(const std::string& format, const std::string& encoding, const std::string& text_column,
                    const std::string& label_column, const std::vector<std::string>& classes) {
  return {format, encoding, text_column, label_column, classes, {.xz = read_xz, .jsonl = read_jsonl}};
}

std::string (*cleaning_function())(std::string_view, const CleanOptions&) { return clean; }

std::string automatic_cleaning(const Dataset& data, std::string& note) {
  std::int64_t html = 0, first = -1;
  for (std::int64_t i = 0; i < data.size(); ++i) {
    if (!holds_html(data.texts[std::size_t(i)])) continue;
    if (html++ == 0) first = data.lines[std::size_t(i)];
  }
  const std::string names = html * 100 >= data.size() && html > 0 ? names_of(clean_named("default")) : "none";
  note.clear();
  if (html > 0)
    note = text_of(data.source, ": ", html, " of ", data.size(), " texts hold HTML (first: line ", first, "); ",
                   names == "none" ? "too few to clean for, the texts stay as they are (--clean default cleans them)"
                                   : "they are cleaned: " + names + " (--clean none leaves them as they are)");
  return names;
}

void clean_texts(TrainSettings& s, Dataset& data) {
  if (s.clean == "auto") {
    std::string note;
    s.clean = automatic_cleaning(data, note);
    if (!note.empty()) say(note);
  } else {
    s.clean = names_of(clean_named(s.clean));
  }
  if (s.clean != "none") data.texts = Cleaner{clean_named(s.clean), clean}(data.texts);
}
