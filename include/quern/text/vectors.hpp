/// Word vectors given as text (word2vec, GloVe, fastText .vec), of the words of a vocabulary alone.
///
///   WordVectors given = read_vectors("glove.6B.300d.txt", words);
///   given.dim;  given.ids;                                 // which ids were found
///   given.values;                                          // [ids, dim], row i is the vector of token ids[i]
///
/// A line is a token and its numbers; a first line of two whole numbers is the header `count dim`.
#pragma once
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/error.hpp>
#include <quern/base/file.hpp>
#include <quern/text/vocabulary.hpp>

namespace quern::inline QUERN_ABI {

struct WordVectors {
  std::int64_t dim = 0;
  std::vector<float> values;      // [ids, dim]
  std::vector<std::int32_t> ids;  // the tokens found, in the order of the file

  std::int64_t found() const { return std::int64_t(ids.size()); }
};

namespace detail {

/// Takes the part up to the next space off the front of `line`.
inline std::string_view take_field(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  const std::string_view field = line.substr(0, line.find_first_of(" \t"));
  line.remove_prefix(field.size());
  return field;
}

inline std::int64_t count_fields(std::string_view line) {
  std::int64_t n = 0;
  while (!take_field(line).empty()) ++n;
  return n;
}

/// A whole number above 0, else -1.
inline std::int64_t whole_number(std::string_view s) {
  std::int64_t n = -1;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), n);
  return error == std::errc() && end == s.data() + s.size() && n > 0 ? n : -1;
}

inline float vector_number(std::string_view field, const std::string& path, std::int64_t line) {
  float value = 0;
  const char* begin = field.data() + (field.starts_with('+') ? 1 : 0);  // from_chars knows no plus sign
  const auto [end, error] = std::from_chars(begin, field.data() + field.size(), value);
  if (error == std::errc::result_out_of_range && end == field.data() + field.size()) {
    value =
        std::strtof(std::string(field).c_str(), nullptr);  // too small for a float is 0, too large is an error below
  } else {
    check(error == std::errc() && end == field.data() + field.size(), path, ":", line, ": expected a number, got '",
          field.substr(0, 40), "'");
  }
  check(std::isfinite(value), path, ":", line, ": '", field.substr(0, 40), "' is not a finite number");
  return value;
}

}  // namespace detail

/// Reads the vectors of the words of `vocabulary`. Of a token given twice the first counts. Throws Error with file and
/// line for a wrong number of numbers, one that is not finite, and a file that ends before its header's count.
inline WordVectors read_vectors(const std::string& path, const Vocabulary& vocabulary) {
  const std::string bytes = read_file(path);
  WordVectors result;
  std::vector<bool> seen(std::size_t(vocabulary.size()));
  std::int64_t promised = -1, rows = 0, number = 1;
  for (std::size_t begin = 0; begin < bytes.size(); ++number) {
    const std::size_t end = std::min(bytes.find('\n', begin), bytes.size());
    std::string_view line = std::string_view(bytes).substr(begin, end - begin);
    begin = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    std::string_view rest = line;
    const std::string_view token = detail::take_field(rest);
    if (number == 1) {
      std::string_view after = rest;
      const auto count = detail::whole_number(token), dim = detail::whole_number(detail::take_field(after));
      if (count > 0 && dim > 0 && detail::take_field(after).empty()) {
        promised = count, result.dim = dim;
        continue;
      }
    }
    check(!token.empty(), path, ":", number, ": an empty line; expected a token and its numbers");
    if (result.dim == 0) {
      result.dim = detail::count_fields(rest);
      check(result.dim > 0, path, ":", number, ": expected a token and its numbers, got '", token.substr(0, 40), "'");
    }
    ++rows;
    const std::int32_t id = vocabulary.id(token);
    const auto fields = detail::count_fields(rest);
    check(fields == result.dim, path, ":", number, ": expected ", result.dim, " numbers after '", token.substr(0, 40),
          "', got ", fields, end == bytes.size() ? "; the file is truncated" : "");
    if (id == Vocabulary::unknown_id || seen[std::size_t(id)]) continue;
    seen[std::size_t(id)] = true;
    result.ids.push_back(id);
    for (std::int64_t i = 0; i < result.dim; ++i)
      result.values.push_back(detail::vector_number(detail::take_field(rest), path, number));
  }
  check(rows > 0, path, ": no word vectors in this file");
  check(promised < 0 || rows == promised, path, ":", number - 1, ": the first line promises ", promised,
        " vectors, the file holds ", rows, rows < promised ? "; it is truncated" : "");
  return result;
}

}  // namespace quern::inline QUERN_ABI
