/// Tables of labelled texts into a Dataset; what had to be guessed is told in notes with the reason.
///
///   auto [data, notes] = read_csv("reviews.csv", {.label_column = "stars"});
///   require_trainable(data);
///
/// For other formats see data/read.hpp; a program that reads tables alone compiles faster with this.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/file.hpp>
#include <quern/data/csv.hpp>
#include <quern/data/dataset.hpp>
#include <quern/data/names.hpp>
#include <quern/text/encoding.hpp>
#include <quern/text/string_table.hpp>

namespace quern::inline QUERN_ABI {

/// Empty strings mean: find out.
struct ReadOptions {
  std::string format = "";             // csv, tsv, fasttext, folder; for read_texts also lines
  std::string encoding = "";           // UTF-8, ISO-8859-1, GB18030
  std::string text_column = "";        // of csv and tsv
  std::string label_column = "";       // of csv and tsv
  std::vector<std::string> classes{};  // of a model: labels must be among them, and their order is kept
};

struct ReadResult {
  Dataset data;
  std::vector<std::string> notes;  // lines to print
};

namespace detail {

/// The named encoding, or the guess, which is noted; Error when the guess is refused.
inline Encoding choose_encoding(const ReadOptions& options, const EncodingEvidence& evidence, const std::string& path,
                                std::vector<std::string>& notes) {
  if (!options.encoding.empty()) return encoding_named(options.encoding);
  const EncodingGuess guess = evidence.guess();
  check(guess.encoding.has_value(), path, ": the encoding is not clear: ", guess.reason);
  notes.push_back(text_of(path, ": read as ", guess.reason));
  return *guess.encoding;
}

inline std::string read_utf8(const std::string& path, const ReadOptions& options, std::vector<std::string>& notes) {
  std::string bytes = read_file(path);
  check(!bytes.empty(), path, ": the file is empty");
  EncodingEvidence evidence;
  if (options.encoding.empty()) evidence.add(bytes);
  const Encoding encoding = choose_encoding(options, evidence, path, notes);
  return to_utf8(std::move(bytes), encoding, path);
}

/// The index of column `asked`, or of the one column with a usual name, or -1 when there is none. `role` is "text" or
/// "label".
inline int find_column(const std::vector<std::string>& header, const std::string& asked, const char* role,
                       std::initializer_list<const char*> usual, const std::string& where) {
  int found = -1;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const std::string_view given = trimmed(header[i]);
    bool matches = !asked.empty() && given == asked;
    if (asked.empty()) {
      const std::string name = lowered(given);
      for (const char* u : usual) matches |= name == u;
    }
    if (!matches) continue;
    if (found >= 0)
      throw_error(text_of(where, ": several columns may hold the ", role, ": ", list_of(header), "; name one with --",
                          role, "-column", asked.empty() ? "" : " that occurs once"));
    found = int(i);
  }
  if (found < 0 && !asked.empty())
    throw_error(text_of(where, ": no column '", asked, "' for the ", role, "; the columns are ", list_of(header)));
  return found;
}

struct Columns {
  int text, label;
};

/// Where text and label stand. In a table of two columns, finding one is finding both.
inline Columns find_columns(const std::vector<std::string>& header, const ReadOptions& options, bool with_label,
                            const std::string& where) {
  Columns c;
  c.label = find_column(header, options.label_column, "label",
                        {"label", "labels", "category", "class", "sentiment", "intent", "target", "y"}, where);
  c.text = find_column(header, options.text_column, "text",
                       {"text", "sentence", "review", "content", "question", "comment", "message", "utterance"}, where);
  if (header.size() == 2 && c.text < 0 && c.label >= 0) c.text = 1 - c.label;
  if (header.size() == 2 && c.label < 0 && c.text >= 0) c.label = 1 - c.text;
  if (header.size() == 1 && !with_label) c.text = 0;
  const auto missing = [&](const char* role) {
    throw_error(text_of(where, ": no column has a usual name for the ", role, "; the columns of the first line are ",
                        list_of(header), "; name it with --", role, "-column (the first line must be a header)"));
  };
  if (c.text < 0) missing("text");
  if (with_label && c.label < 0) missing("label");
  check(!with_label || c.text != c.label, where, ": text and label are the same column '", header[std::size_t(c.text)],
        "'; give --text-column and --label-column");
  return c;
}

inline CsvOptions csv_options(bool tsv) { return {.separator = tsv ? '\t' : ',', .quotes = !tsv}; }

/// The rows of a table into `result.data`; the labels are numbers of `names`.
inline void read_rows(std::string_view text, bool tsv, const ReadOptions& options, ReadResult& result,
                      StringTable& names) {
  Dataset& data = result.data;
  CsvReader rows(text, data.source, csv_options(tsv));
  std::vector<std::string> fields;
  check(rows.next(fields), data.source, ": the file holds only line ends");
  const auto [text_at, label_at] = find_columns(fields, options, true, text_of(data.source, ":", rows.line()));
  result.notes.push_back(text_of(data.source, ": text from column '", fields[std::size_t(text_at)],
                                 "', label from column '", fields[std::size_t(label_at)], "'"));
  std::int64_t empty = 0;
  while (rows.next(fields)) {
    const std::string_view label = trimmed(fields[std::size_t(label_at)]);
    check(!label.empty(), data.source, ":", rows.line(), ": the label is empty");
    data.labels.push_back(names.add(label));
    data.texts.push_back(std::string(fields[std::size_t(text_at)]));
    data.lines.push_back(rows.line());
    empty += trimmed(data.texts.back()).empty();
  }
  check(data.size() > 0, data.source, ": a header and no rows");
  if (empty > 0) result.notes.push_back(text_of(data.source, ": ", empty, " of ", data.size(), " texts are empty"));
}

}  // namespace detail

/// Reads a table with a header: TSV by options.format or the name of the file, else CSV. Errors name file and line:
/// unreadable, empty, of an unclear encoding, a header without rows, a missing column, a broken row, a label that is
/// none of `options.classes`.
inline ReadResult read_csv(const std::string& path, const ReadOptions& options = {}) {
  const std::string format = options.format.empty() ? detail::extension(path) : options.format;
  check(options.format.empty() || format == "csv" || format == "tsv", "format '", format,
        "' is not a table; expected csv or tsv");
  ReadResult result;
  result.data.source = path;
  const std::string text = detail::read_utf8(path, options, result.notes);
  StringTable names;
  detail::read_rows(text, format == "tsv", options, result, names);
  detail::set_classes(result.data, names, options.classes);
  return result;
}

}  // namespace quern::inline QUERN_ABI
