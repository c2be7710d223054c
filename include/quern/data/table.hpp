/// Tables of labelled texts into a Dataset; what had to be guessed is told in notes with the reason.
///
///   auto [data, notes] = read_csv("reviews.csv", {.label_column = "stars"});
///   require_trainable(data);
///
/// For other formats see data/read.hpp; a program that reads tables alone compiles faster with this.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/file.hpp>
#include <quern/base/function_ref.hpp>
#include <quern/data/csv.hpp>
#include <quern/data/dataset.hpp>
#include <quern/data/names.hpp>
#include <quern/text/encoding.hpp>
#include <quern/text/string_table.hpp>

namespace quern::inline QUERN_ABI {

/// Takes one text as it is read, which it may move from; its label, if asked for; and its line.
using TakeRow = FunctionRef<void(std::string& text, std::string_view label, std::int64_t line)>;

/// Readers that need a library. The headers that bring them are included by name, and their functions named here:
/// `.readers = {.xz = read_xz, .jsonl = read_jsonl}`.
struct Readers {
  std::string (*xz)(const std::string& path) = nullptr;  // data/xz.hpp: all bytes of a compressed file
  void (*jsonl)(std::string_view text, const std::string& path, const struct ReadOptions& options, bool with_label,
                TakeRow take) = nullptr;  // io/jsonl.hpp
};

/// Empty strings mean: find out.
struct ReadOptions {
  std::string format = "";             // of dataset_formats; for read_texts of text_formats
  std::string encoding = "";           // UTF-8, ISO-8859-1, GB18030
  std::string text_column = "";        // of csv, tsv and jsonl
  std::string label_column = "";       // of csv, tsv and jsonl
  std::vector<std::string> classes{};  // of a model: labels must be among them, and their order is kept
  Readers readers{};                   // of files that end in .xz, and of jsonl
};

struct ReadResult {
  Dataset data;
  std::vector<std::string> notes;  // lines to print
};

namespace detail {

/// The named encoding, or the guess, which is noted; Error when the guess is refused.
[[gnu::cold]] inline Encoding choose_encoding(const ReadOptions& options, const EncodingEvidence& evidence,
                                              const std::string& path, std::vector<std::string>& notes) {
  if (!options.encoding.empty()) return encoding_named(options.encoding);
  const EncodingGuess guess = evidence.guess();
  check(guess.encoding.has_value(), path, ": the encoding is not clear: ", guess.reason);
  notes.push_back(text_of(path, ": read as ", guess.reason));
  return *guess.encoding;
}

/// "reviews.csv" of "reviews.csv.xz".
[[gnu::cold]] inline std::string_view without_xz(std::string_view path) {
  return path.substr(0, path.size() - (extension(path) == "xz" ? 3 : 0));
}

[[gnu::cold]] inline std::string read_unpacked(const std::string& path, const ReadOptions& options) {
  if (extension(path) != "xz" || is_folder(path)) return read_file(path);
  check(options.readers.xz, path,
        ": is compressed by xz; unpack it first, or include <quern/data/xz.hpp> and give .readers = {.xz = read_xz}");
  return options.readers.xz(path);
}

/// All of a file as UTF-8. `latin1_if`: whether bytes that are both ISO-8859-1 and GB18030 by their form are the
/// former.
[[gnu::cold]] inline std::string read_utf8(const std::string& path, const ReadOptions& options,
                                           std::vector<std::string>& notes,
                                           bool (*latin1_if)(std::string_view bytes,
                                                             const ReadOptions& options) = nullptr) {
  std::string bytes = read_unpacked(path, options);
  check(!bytes.empty(), path, ": the file is empty");
  EncodingEvidence evidence;
  if (options.encoding.empty()) {
    evidence.add(bytes);
    const EncodingGuess guess = evidence.guess();
    if (guess.latin1_or_gb18030 && latin1_if && latin1_if(bytes, options)) {
      notes.push_back(text_of(path, ": read as ISO-8859-1, in which TREC is published: ",
                              guess.reason.substr(0, guess.reason.find("; name it"))));
      return to_utf8(std::move(bytes), Encoding::latin1, path);
    }
  }
  const Encoding encoding = choose_encoding(options, evidence, path, notes);
  return to_utf8(std::move(bytes), encoding, path);
}

/// The index of column `asked`, or of the one column with a usual name, or -1 when there is none. `role` is "text" or
/// "label".
[[gnu::cold]] inline int find_column(const std::vector<std::string>& header, const std::string& asked, const char* role,
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
[[gnu::cold]] inline Columns find_columns(const std::vector<std::string>& header, const ReadOptions& options,
                                          bool with_label, const std::string& where,
                                          const char* hint = " (the first line must be a header)") {
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
                        list_of(header), "; name it with --", role, "-column", hint));
  };
  if (c.text < 0) missing("text");
  if (with_label && c.label < 0) missing("label");
  check(!with_label || c.text != c.label, where, ": text and label are the same column '", header[std::size_t(c.text)],
        "'; give --text-column and --label-column");
  return c;
}

[[gnu::cold]] inline CsvOptions csv_options(bool tsv) { return {.separator = tsv ? '\t' : ',', .quotes = !tsv}; }

/// The rows of a table into `result.data`; the labels are numbers of `names`.
[[gnu::cold]] inline void read_rows(std::string_view text, bool tsv, const ReadOptions& options, ReadResult& result,
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
[[gnu::cold]] inline ReadResult read_csv(const std::string& path, const ReadOptions& options = {}) {
  const std::string format = options.format.empty() ? detail::extension(detail::without_xz(path)) : options.format;
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
