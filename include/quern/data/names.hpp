/// Small helpers for names of files, columns and classes.
///
///   detail::extension("a/b.CSV") == "csv";
///   detail::trimmed(" label\r") == "label";
///   detail::list_of({"text", "label"}) == "'text', 'label'";
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI::detail {

inline std::string lowered(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? char(c + 32) : c;
  return out;
}

inline std::string_view trimmed(std::string_view s) {
  const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!s.empty() && space(s.front())) s.remove_prefix(1);
  while (!s.empty() && space(s.back())) s.remove_suffix(1);
  return s;
}

inline std::string_view file_name(std::string_view path) { return path.substr(path.find_last_of('/') + 1); }

/// "csv" of "a/b.CSV"; "" without a dot.
inline std::string extension(std::string_view path) {
  const std::string_view name = file_name(path);
  const auto dot = name.find_last_of('.');
  return dot == std::string_view::npos || dot == 0 ? "" : lowered(name.substr(dot + 1));
}
inline std::string_view stem(std::string_view path) {
  const std::string_view name = file_name(path);
  return name.substr(0, name.find_last_of('.'));
}

/// "neg" of "rt.neg", as it is written; "" without a dot.
inline std::string_view ending(std::string_view path) {
  const std::string_view name = file_name(path);
  const std::size_t length = stem(name).size() + 1;
  return length < name.size() ? name.substr(length) : "";
}

/// "'text', 'label'"
[[gnu::cold]] inline std::string list_of(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) ((out += out.empty() ? "'" : ", '") += name) += '\'';
  return out;
}

}  // namespace quern::inline QUERN_ABI::detail
