/// Files of labelled texts into a Dataset; what had to be guessed is told in notes with the reason.
///
///   auto [data, notes] = read_dataset("reviews.csv", {.label_column = "stars"});
///   require_trainable(data);
///   auto texts = read_texts("new.txt").texts;                    // without labels, one a line
///
/// Formats: csv and tsv with a header; fasttext, lines of `__label__name text`; folder, one file of lines for each
/// class (MR of Pang & Lee: rt-polarity.neg, rt-polarity.pos).
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/file.hpp>
#include <quern/data/class_folder.hpp>
#include <quern/data/csv.hpp>
#include <quern/data/dataset.hpp>
#include <quern/data/names.hpp>
#include <quern/data/table.hpp>
#include <quern/text/encoding.hpp>
#include <quern/text/string_table.hpp>

namespace quern::inline QUERN_ABI {

struct ReadTexts {
  std::vector<std::string> texts;
  std::vector<std::int64_t> lines;  // where each text begins, from 1
  std::vector<std::string> notes;
};

namespace detail {

/// The format by name, else by the first line of text.
inline std::string guess_format(const std::string& path, std::string_view text, std::vector<std::string>& notes) {
  std::size_t begin = text.find_first_not_of("\r\n");
  check(begin != std::string_view::npos, path, ": the file holds only line ends");
  const std::string_view first = text.substr(begin, text.find('\n', begin) - begin);
  const std::string ending = extension(path);
  if (ending == "csv" || ending == "tsv") return ending;
  const char *format = "", *reason = "";
  if (trimmed(first).starts_with("__label__")) {
    format = "fasttext", reason = "the first line begins with __label__";
  } else if (first.find('\t') != std::string_view::npos) {
    format = "tsv", reason = "the first line holds a tab";
  } else if (first.find(',') != std::string_view::npos && ending != "txt") {
    format = "csv", reason = "the first line holds a comma";
  }
  check(*format != 0, path,
        ": the format cannot be told from the name or the first line; give it with --format "
        "(csv, tsv, fasttext, or a folder with one file for each class)");
  notes.push_back(text_of(path, ": format ", format, ": ", reason));
  return format;
}

inline void read_fasttext(std::string_view text, ReadResult& result, StringTable& names) {
  constexpr std::string_view prefix = "__label__";
  Dataset& data = result.data;
  LineReader lines(text, data.source);
  std::int64_t blank = 0;
  for (std::string_view line; lines.next(line);) {
    line = trimmed(line);
    if (line.empty()) {
      ++blank;
      continue;
    }
    const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    const std::string_view label = line.substr(0, end), rest = trimmed(line.substr(end));
    check(label.starts_with(prefix) && label.size() > prefix.size(), data.source, ":", lines.line(),
          ": expected a line of the form '__label__name text', it begins with '", label.substr(0, 40), "'");
    check(!rest.starts_with(prefix), data.source, ":", lines.line(),
          ": a text with several labels; one label for each text is expected");
    data.labels.push_back(names.add(label.substr(prefix.size())));
    data.texts.push_back(std::string(rest));
    data.lines.push_back(lines.line());
  }
  check(data.size() > 0, data.source, ": no lines of the form '__label__name text'");
  if (blank > 0) result.notes.push_back(text_of(data.source, ": ", blank, " blank lines passed over"));
}

/// Every line of every file is a text. The encoding is decided from all files together.
inline void read_class_folder(const ReadOptions& options, ReadResult& result, StringTable& names) {
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
inline ReadResult read_dataset(const std::string& path, const ReadOptions& options = {}) {
  ReadResult result;
  result.data.source = path;
  StringTable names;
  std::string format = options.format;
  check(format.empty() || format == "csv" || format == "tsv" || format == "fasttext" || format == "folder", "format '",
        format, "' is not known; expected csv, tsv, fasttext or folder");
  if (format.empty() ? is_folder(path) : format == "folder") {
    detail::read_class_folder(options, result, names);
  } else {
    const std::string text = detail::read_utf8(path, options, result.notes);
    if (format.empty()) format = detail::guess_format(path, text, result.notes);
    if (format == "fasttext") {
      detail::read_fasttext(text, result, names);
    } else {
      detail::read_rows(text, format == "tsv", options, result, names);
    }
  }
  detail::set_classes(result.data, names, options.classes);
  return result;
}

/// Reads texts without labels: the text column of a .csv or .tsv file, every line of any other file (also blank ones,
/// so results stand on the same lines).
inline ReadTexts read_texts(const std::string& path, const ReadOptions& options = {}) {
  ReadTexts result;
  std::string format = options.format;
  check(format.empty() || format == "csv" || format == "tsv" || format == "lines", "format '", format,
        "' is not known for texts without labels; expected csv, tsv or lines");
  if (format.empty()) format = detail::extension(path);
  const std::string text = detail::read_utf8(path, options, result.notes);
  if (format != "csv" && format != "tsv") {
    LineReader lines(text, path);
    for (std::string_view line; lines.next(line);) {
      result.texts.push_back(std::string(line));
      result.lines.push_back(lines.line());
    }
    return result;
  }
  CsvReader rows(text, path, detail::csv_options(format == "tsv"));
  std::vector<std::string> fields;
  check(rows.next(fields), path, ": the file holds only line ends");
  const int at = detail::find_columns(fields, options, false, text_of(path, ":", rows.line())).text;
  result.notes.push_back(text_of(path, ": text from column '", fields[std::size_t(at)], "'"));
  while (rows.next(fields)) {
    result.texts.push_back(std::move(fields[std::size_t(at)]));
    result.lines.push_back(rows.line());
  }
  check(!result.texts.empty(), path, ": a header and no rows");
  return result;
}

}  // namespace quern::inline QUERN_ABI
