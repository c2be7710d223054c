/// Files of labelled texts into a Dataset; what had to be guessed is told in notes with the reason.
///
///   auto [data, notes] = read_dataset("reviews.csv", {.label_column = "stars"});
///   require_trainable(data);
///   auto texts = read_texts("new.txt").texts;                    // without labels, one a line
///
/// Formats: csv and tsv with a header; fasttext, lines of `__label__name text`; folder, one file of lines for each
/// class (MR of Pang & Lee: rt-polarity.neg, rt-polarity.pos).
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/file.hpp>
#include <quern/data/class_folder.hpp>
#include <quern/data/csv.hpp>
#include <quern/data/dataset.hpp>
#include <quern/text/encoding.hpp>

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

struct ReadTexts {
  std::vector<std::string> texts;
  std::vector<std::int64_t> lines;  // where each text begins, from 1
  std::vector<std::string> notes;
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

/// The format by name, else by the first line of text.
inline std::string guess_format(const std::string& path, std::string_view text, std::vector<std::string>& notes) {
  std::size_t begin = text.find_first_not_of("\r\n");
  check(begin != std::string_view::npos, path, ": the file holds only line ends");
  const std::string_view first = text.substr(begin, text.find('\n', begin) - begin);
  const std::string ending = extension(path);
  if (ending == "csv" || ending == "tsv") return ending;
  std::string format, reason;
  if (trimmed(first).starts_with("__label__")) {
    format = "fasttext", reason = "the first line begins with __label__";
  } else if (first.find('\t') != std::string_view::npos) {
    format = "tsv", reason = "the first line holds a tab";
  } else if (first.find(',') != std::string_view::npos && ending != "txt") {
    format = "csv", reason = "the first line holds a comma";
  }
  check(!format.empty(), path,
        ": the format cannot be told from the name or the first line; give it with --format "
        "(csv, tsv, fasttext, or a folder with one file for each class)");
  notes.push_back(text_of(path, ": format ", format, ": ", reason));
  return format;
}

/// The index of column `asked`, or of the one column with a usual name, or -1 when there is none. `role` is "text" or
/// "label".
inline int find_column(const std::vector<std::string>& header, const std::string& asked, const char* role,
                       std::initializer_list<std::string_view> usual, const std::string& where) {
  int found = -1;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const std::string name = lowered(trimmed(header[i]));
    const bool matches =
        asked.empty() ? std::find(usual.begin(), usual.end(), name) != usual.end() : trimmed(header[i]) == asked;
    if (!matches) continue;
    check(found < 0, where, ": several columns may hold the ", role, ": ", list_of(header), "; name one with --", role,
          "-column", asked.empty() ? "" : " that occurs once");
    found = int(i);
  }
  check(found >= 0 || asked.empty(), where, ": no column '", asked, "' for the ", role, "; the columns are ",
        list_of(header));
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

inline CsvOptions csv_options(const std::string& format) {
  return {.separator = format == "tsv" ? '\t' : ',', .quotes = format == "csv"};
}

inline void read_table(std::string_view text, const std::string& format, const ReadOptions& options, ReadResult& result,
                       std::vector<std::string>& names) {
  Dataset& data = result.data;
  CsvReader rows(text, data.source, csv_options(format));
  std::vector<std::string> fields;
  check(rows.next(fields), data.source, ": the file holds only line ends");
  const auto [text_at, label_at] = find_columns(fields, options, true, text_of(data.source, ":", rows.line()));
  result.notes.push_back(text_of(data.source, ": text from column '", fields[std::size_t(text_at)],
                                 "', label from column '", fields[std::size_t(label_at)], "'"));
  std::int64_t empty = 0;
  while (rows.next(fields)) {
    const std::string_view label = trimmed(fields[std::size_t(label_at)]);
    check(!label.empty(), data.source, ":", rows.line(), ": the label is empty");
    names.emplace_back(label);
    data.texts.push_back(fields[std::size_t(text_at)]);
    data.lines.push_back(rows.line());
    empty += trimmed(data.texts.back()).empty();
  }
  check(!names.empty(), data.source, ": a header and no rows");
  if (empty > 0) result.notes.push_back(text_of(data.source, ": ", empty, " of ", names.size(), " texts are empty"));
}

inline void read_fasttext(std::string_view text, ReadResult& result, std::vector<std::string>& names) {
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
    names.emplace_back(label.substr(prefix.size()));
    data.texts.emplace_back(rest);
    data.lines.push_back(lines.line());
  }
  check(!names.empty(), data.source, ": no lines of the form '__label__name text'");
  if (blank > 0) result.notes.push_back(text_of(data.source, ": ", blank, " blank lines passed over"));
}

/// Every line of every file is a text. The encoding is decided from all files together.
inline void read_class_folder(const ReadOptions& options, ReadResult& result, std::vector<std::string>& names) {
  const std::string& folder = result.data.source;
  const auto files = class_files(folder, result.notes);
  EncodingEvidence evidence;
  std::vector<std::string> contents;
  for (const ClassFile& file : files) {
    contents.push_back(read_file(file.path));
    check(!contents.back().empty(), file.path, ": the file is empty");
    if (options.encoding.empty()) evidence.add(contents.back(), file_name(file.path));
  }
  const Encoding encoding = choose_encoding(options, evidence, folder, result.notes);
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string text = to_utf8(std::move(contents[i]), encoding, files[i].path);
    LineReader lines(text, files[i].path);
    std::int64_t blank = 0;
    for (std::string_view line; lines.next(line);) {
      if (trimmed(line).empty()) {
        ++blank;
        continue;
      }
      names.push_back(files[i].name);
      result.data.texts.emplace_back(line);
      result.data.lines.push_back(lines.line());
    }
    if (blank > 0) result.notes.push_back(text_of(files[i].path, ": ", blank, " blank lines passed over"));
  }
  check(!names.empty(), folder, ": the files hold only blank lines");
}

}  // namespace detail

/// Reads labelled texts. Errors name file and line: unreadable, empty, of an unclear format or encoding, a header
/// without rows, a missing column, a broken row, a label that is none of `options.classes`. A data set of one class is
/// read (to evaluate it); require_trainable() refuses it.
inline ReadResult read_dataset(const std::string& path, const ReadOptions& options = {}) {
  ReadResult result;
  result.data.source = path;
  std::vector<std::string> names;  // the label of each text
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
      detail::read_table(text, format, options, result, names);
    }
  }
  detail::set_labels(result.data, names, options.classes);
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
      result.texts.emplace_back(line);
      result.lines.push_back(lines.line());
    }
    return result;
  }
  CsvReader rows(text, path, detail::csv_options(format));
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
