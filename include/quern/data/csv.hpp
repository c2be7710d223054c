/// Rows of CSV (RFC 4180: quoted fields may hold separators, line ends and doubled quotes) and TSV (no quoting).
///
///   CsvReader rows(bytes, "reviews.csv");
///   std::vector<std::string> fields;                     // reused from row to row
///   while (rows.next(fields)) use(rows.line(), fields);  // every row has as many fields as the first
///
/// One pass over the bytes, which stay the caller's; every error names file and line.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/error.hpp>

namespace quern::inline QUERN_ABI {

struct CsvOptions {
  char separator = ',';
  bool quotes = true;                                 // false: TSV, a quote is a character like others
  std::size_t longest_field = std::size_t(16) << 20;  // bytes
};

class CsvReader {
 public:
  /// `bytes` is UTF-8 and outlives the reader; `path` is for messages.
  CsvReader(std::string_view bytes, std::string path, CsvOptions options = {})
      : bytes_(bytes), path_(std::move(path)), options_(options) {}

  /// Reads the next row into `fields`; false at the end. Blank lines are passed over. Throws Error for a row with
  /// more or fewer fields than the first, a quote out of place or not closed, a field that is too long.
  bool next(std::vector<std::string>& fields) {
    while (at_ < bytes_.size() && (bytes_[at_] == '\n' || bytes_.substr(at_, 2) == "\r\n")) end_line();
    if (at_ == bytes_.size()) return false;
    row_line_ = line_;
    std::size_t count = 0;
    do {
      if (columns_ > 0 && count == columns_) throw_count("more");
      check(count < most_columns, path_, ":", line_, ": more than ", most_columns, " fields in the first row");
      if (count == fields.size()) fields.push_back({});
      read_field(fields[count++]);
    } while (at_ < bytes_.size() && bytes_[at_] == options_.separator && (++at_, true));
    end_line();
    fields.resize(count);
    if (columns_ == 0) columns_ = count;
    if (count != columns_) throw_count(std::to_string(count));
    return true;
  }

  /// The line (from 1) on which the row last read begins.
  std::int64_t line() const { return row_line_; }

 private:
  static constexpr std::size_t most_columns = 65536;

  [[noreturn]] void throw_count(std::string_view got) const {
    throw_error(text_of(path_, ":", row_line_, ": expected ", columns_, " fields as in the first row, got ", got,
                        options_.quotes ? "; a field that holds a separator or a quote must stand in quotes" : ""));
  }

  void end_line() {
    if (at_ < bytes_.size() && bytes_[at_] == '\r') ++at_;
    if (at_ < bytes_.size()) ++at_, ++line_;
  }

  /// Leaves at_ on the separator, the line end (\n or \r\n) or the end of the bytes.
  void read_field(std::string& field) {
    field.clear();
    if (options_.quotes && at_ < bytes_.size() && bytes_[at_] == '"') return read_quoted(field);
    const std::size_t begin = at_;
    while (at_ < bytes_.size() && bytes_[at_] != options_.separator && bytes_[at_] != '\n') ++at_;
    if (at_ > begin && at_ < bytes_.size() && bytes_[at_] == '\n' && bytes_[at_ - 1] == '\r') --at_;
    check_length(at_ - begin, line_, "");
    field = bytes_.substr(begin, at_ - begin);
    check(!options_.quotes || field.find('"') == std::string::npos, path_, ":", line_,
          ": a quote inside a field that does not begin with one; put the field in quotes and double the quotes in it");
  }

  void read_quoted(std::string& field) {
    const std::int64_t opened = line_;
    for (++at_;;) {
      const std::size_t quote = bytes_.find('"', at_);
      const std::string_view part = bytes_.substr(at_, std::min(quote, bytes_.size()) - at_);
      check_length(field.size() + part.size(), opened, "; was its quote never closed?");
      check(quote != std::string_view::npos, path_, ":", opened, ": the quote opened on this line is never closed");
      for (char c : part) line_ += c == '\n';
      field += part;
      at_ = quote + 1;
      if (at_ == bytes_.size() || bytes_[at_] != '"') break;
      field += '"';
      ++at_;
    }
    const std::string_view after = bytes_.substr(at_, 2);
    check(after.empty() || after[0] == options_.separator || after[0] == '\n' || after == "\r\n", path_, ":", line_,
          ": text after a closing quote (field opened on line ", opened, "); inside quotes a quote is written twice");
  }

  void check_length(std::size_t length, std::int64_t line, const char* hint) const {
    check(length <= options_.longest_field, path_, ":", line, ": a field is longer than ", options_.longest_field,
          " bytes", hint);
  }

  std::string_view bytes_;
  std::string path_;
  CsvOptions options_;
  std::size_t at_ = 0, columns_ = 0;
  std::int64_t line_ = 1, row_line_ = 0;
};

/// Lines of a text: they end at \n alone (U+0085 and others are characters of the text); a \r before it is dropped.
///
///   LineReader lines(bytes, "reviews.txt");
///   for (std::string_view line; lines.next(line);) use(lines.line(), line);
class LineReader {
 public:
  LineReader(std::string_view bytes, std::string path, std::size_t longest_line = std::size_t(16) << 20)
      : bytes_(bytes), path_(std::move(path)), longest_(longest_line) {}

  /// The next line, a view into the bytes; false at the end.
  bool next(std::string_view& line) {
    if (at_ >= bytes_.size()) return false;
    ++line_;
    const std::size_t end = std::min(bytes_.find('\n', at_), bytes_.size());
    line = bytes_.substr(at_, end - at_);
    if (end < bytes_.size() && line.ends_with('\r')) line.remove_suffix(1);
    check(line.size() <= longest_, path_, ":", line_, ": a line of ", line.size(), " bytes, the limit is ", longest_);
    at_ = end + 1;
    return true;
  }

  std::int64_t line() const { return line_; }

 private:
  std::string_view bytes_;
  std::string path_;
  std::size_t longest_, at_ = 0;
  std::int64_t line_ = 0;
};

}  // namespace quern::inline QUERN_ABI
