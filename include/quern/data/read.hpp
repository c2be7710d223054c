/// Files of labelled texts into a Dataset; what had to be guessed is told in notes with the reason.
///
///   auto [data, notes] = read_dataset("reviews.csv", {.label_column = "stars"});
///   require_trainable(data);
///   auto texts = read_texts("new.txt").texts;                    // without labels, one a line
///
/// Formats: csv and tsv with a header; jsonl, one object a line (needs io/jsonl.hpp); the lines of
/// data/line_formats.hpp; folder, one file of lines for each class (MR of Pang & Lee: rt-polarity.neg,
/// rt-polarity.pos). Files that end in .xz are unpacked as they are read (needs data/xz.hpp).
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/file.hpp>
#include <quern/data/class_folder.hpp>
#include <quern/data/csv.hpp>
#include <quern/data/dataset.hpp>
#include <quern/data/line_formats.hpp>
#include <quern/data/names.hpp>
#include <quern/data/table.hpp>
#include <quern/text/encoding.hpp>
#include <quern/text/string_table.hpp>

namespace quern::inline QUERN_ABI {

struct ReadTexts {
  std::vector<std::string> texts;
  std::vector<std::int64_t> lines;  // where each text begins, from 1
  std::vector<std::string> notes;
  bool has_columns = true;  // lines of text have none, whatever text_column says
};

/// The names that ReadOptions::format takes, of data sets and of texts without labels.
inline constexpr const char* dataset_formats[] = {"csv",  "tsv",       "jsonl",          "fasttext",
                                                  "trec", "trec-fine", "sentence@label", "folder"};
inline constexpr const char* text_formats[] = {"csv", "tsv", "jsonl", "lines"};

namespace detail {

template <std::size_t N>
bool is_one_of(const char* const (&names)[N], std::string_view name) {
  for (const char* known : names)
    if (name == known) return true;
  return false;
}

/// "csv, tsv or lines"
template <std::size_t N>
std::string one_of(const char* const (&names)[N]) {
  std::string out;
  for (std::size_t i = 0; i < N; ++i) (out += i == 0 ? "" : i + 1 == N ? " or " : ", ") += names[i];
  return out;
}

inline std::string_view first_line(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  return trimmed(text.substr(begin, text.find('\n', begin) - begin));
}

/// The format by name, else by the first line of text.
[[gnu::cold]] inline std::string guess_format(const std::string& path, std::string_view text,
                                              std::vector<std::string>& notes) {
  const std::string_view first = first_line(text);
  check(!first.empty(), path, ": the file holds only line ends");
  const std::string ending = extension(without_xz(path));
  if (ending == "csv" || ending == "tsv" || ending == "jsonl") return ending;
  if (ending == "ndjson") return "jsonl";
  const char *format = "", *reason = "";
  const auto is = [&](const char* name) { return !line_format(name)->split(first).label.empty(); };
  const auto take = [&](const char* name) { format = name, reason = line_format(name)->reason; };
  if (is("fasttext") || first.starts_with("__label__")) {
    take("fasttext");
  } else if (first.starts_with('{')) {
    format = "jsonl", reason = "the first line begins with {";
  } else if (is("trec")) {
    take("trec");
  } else if (first.find('\t') != std::string_view::npos) {
    format = "tsv", reason = "the first line holds a tab";
  } else if (looks_like_sentence_at_label(text)) {
    take("sentence@label");
  } else if (first.find(',') != std::string_view::npos && ending != "txt") {
    format = "csv", reason = "the first line holds a comma";
  }
  check(*format != 0, path, ": the format cannot be told from the name or the first line; give it with --format (",
        one_of(dataset_formats), ")");
  notes.push_back(text_of(path, ": format ", format, ": ", reason));
  return format;
}

[[gnu::cold]] inline bool is_trec(std::string_view bytes, const ReadOptions& options) {
  return options.format.empty() ? !split_trec(first_line(bytes)).label.empty() : options.format.starts_with("trec");
}

[[gnu::cold]] inline void read_objects(std::string_view text, const ReadOptions& options, ReadResult& result,
                                       StringTable& names) {
  Dataset& data = result.data;
  check(options.readers.jsonl, data.source,
        ": is JSONL; to read it include <quern/io/jsonl.hpp> and give .readers = {.jsonl = read_jsonl}");
  options.readers.jsonl(text, data.source, options, true,
                        [&](std::string& value, std::string_view label, std::int64_t line) {
                          data.labels.push_back(names.add(label));
                          data.texts.push_back(std::move(value));
                          data.lines.push_back(line);
                        });
}

/// Every line of every file is a text. The encoding is decided from all files together.
[[gnu::cold]] inline void read_class_folder(const ReadOptions& options, ReadResult& result, StringTable& names) {
  const std::string& path = result.data.source;
  const ClassFolder folder = class_folder(path, result.notes);
  EncodingEvidence evidence;
  std::vector<std::string> contents;
  for (const std::string& name : folder.names) {
    const std::string file = text_of(path, "/", name);
    contents.push_back(read_file(file));
    check(!contents.back().empty(), file, ": the file is empty");
    if (options.encoding.empty()) evidence.add(contents.back(), name);
  }
  const Encoding encoding = choose_encoding(options, evidence, path, result.notes);
  for (std::size_t i = 0; i < contents.size(); ++i) {
    const std::string file = text_of(path, "/", folder.names[i]);
    const std::string text = to_utf8(std::move(contents[i]), encoding, file);
    LineReader lines(text, file);
    std::int64_t blank = 0;
    for (std::string_view line; lines.next(line);) {
      if (trimmed(line).empty()) {
        ++blank;
        continue;
      }
      result.data.labels.push_back(names.add(folder.class_of(i)));
      result.data.texts.push_back(std::string(line));
      result.data.lines.push_back(lines.line());
    }
    if (blank > 0) result.notes.push_back(text_of(file, ": ", blank, " blank lines passed over"));
  }
  check(result.data.size() > 0, path, ": the files hold only blank lines");
}

}  // namespace detail

/// Reads labelled texts. Errors name file and line: unreadable, empty, of an unclear format or encoding, a header
/// without rows, a missing column, a broken row, a label that is none of `options.classes`. A data set of one class is
/// read (to evaluate it); require_trainable() refuses it.
[[gnu::cold]] inline ReadResult read_dataset(const std::string& path, const ReadOptions& options = {}) {
  ReadResult result;
  result.data.source = path;
  StringTable names;
  std::string format = options.format;
  check(format.empty() || detail::is_one_of(dataset_formats, format), "format '", format, "' is not known; expected ",
        detail::one_of(dataset_formats));
  if (format.empty() ? is_folder(path) : format == "folder") {
    detail::read_class_folder(options, result, names);
  } else {
    const std::string text = detail::read_utf8(path, options, result.notes, detail::is_trec);
    if (format.empty()) format = detail::guess_format(path, text, result.notes);
    if (const LineFormat* lines = line_format(format)) {
      detail::read_lines(text, *lines, result, names);
    } else if (format == "jsonl") {
      detail::read_objects(text, options, result, names);
    } else {
      detail::read_rows(text, format == "tsv", options, result, names);
    }
  }
  detail::set_classes(result.data, names, options.classes);
  return result;
}

/// Reads texts without labels: the text column of a .csv, .tsv or .jsonl file, every line of any other file (also blank
/// ones, so results stand on the same lines).
[[gnu::cold]] inline ReadTexts read_texts(const std::string& path, const ReadOptions& options = {}) {
  ReadTexts result;
  std::string format = options.format;
  check(format.empty() || detail::is_one_of(text_formats, format), "format '", format,
        "' is not known for texts without labels; expected ", detail::one_of(text_formats));
  if (format.empty()) format = detail::extension(detail::without_xz(path));
  const auto take = [&](std::string& text, std::string_view, std::int64_t line) {
    result.texts.push_back(std::move(text));
    result.lines.push_back(line);
  };
  const std::string text = detail::read_utf8(path, options, result.notes);
  if ((format == "jsonl" || format == "ndjson") && options.readers.jsonl) {
    options.readers.jsonl(text, path, options, false, take);
    return result;
  }
  if (format != "csv" && format != "tsv") {
    result.has_columns = false;
    LineReader lines(text, path);
    for (std::string_view line; lines.next(line);) {
      std::string copy(line);
      take(copy, "", lines.line());
    }
    return result;
  }
  CsvReader rows(text, path, detail::csv_options(format == "tsv"));
  std::vector<std::string> fields;
  check(rows.next(fields), path, ": the file holds only line ends");
  const int at = detail::find_columns(fields, options, false, text_of(path, ":", rows.line())).text;
  result.notes.push_back(text_of(path, ": text from column '", fields[std::size_t(at)], "'"));
  while (rows.next(fields)) take(fields[std::size_t(at)], "", rows.line());
  check(!result.texts.empty(), path, ": a header and no rows");
  return result;
}

}  // namespace quern::inline QUERN_ABI
