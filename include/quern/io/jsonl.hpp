/// Needs nlohmann-json. JSONL: one object a line, the text and its label under keys that are found as columns are.
///
///   read_dataset("reviews.jsonl", {.label_column = "stars", .readers = {.jsonl = read_jsonl}});
///   {"text": "It is good.", "label": "pos"}              a line; labels are strings, whole numbers, true or false
///
/// Strict: a key given twice, nesting beyond 64 levels, half a surrogate pair, NUL in a text are errors with file and
/// line.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <quern/data/csv.hpp>
#include <quern/data/table.hpp>
#include <quern/io/json.hpp>

namespace quern::inline QUERN_ABI {
namespace detail {

/// The parser counts lines within the one it was given, which would look like lines of the file.
inline nlohmann::json parse_json_line(std::string_view line, const std::string& where) {
  try {
    return parse_json(line, where);
  } catch (const Error& e) {
    std::string message = e.what();
    const std::size_t at = message.find(" at line 1, ");
    if (at != std::string::npos) message.erase(at + 4, 8);
    throw Error(message);
  }
}

inline const nlohmann::json& json_column(const nlohmann::json& object, const std::string& key,
                                         const std::string& where) {
  check(object.contains(key), where, ": has no '", key, "'; the first object has");
  return object[key];
}

inline std::string json_text(const nlohmann::json& value, const std::string& key, const std::string& where) {
  check(value.is_string(), where, ": '", key, "' is ", value.dump().substr(0, 60), "; expected a string");
  auto text = value.get<std::string>();
  check(text.find('\0') == std::string::npos, where, ": '", key, "' holds NUL, which no text holds");
  return text;
}

inline std::string json_label(const nlohmann::json& value, const std::string& key, const std::string& where) {
  if (value.is_number_integer() || value.is_boolean()) return value.dump();
  check(value.is_string(), where, ": '", key, "' is ", value.dump().substr(0, 60),
        "; expected one label: a string, a whole number, true or false");
  const std::string text = json_text(value, key, where);
  check(!trimmed(text).empty(), where, ": the label is empty");
  return std::string(trimmed(text));
}

}  // namespace detail

/// For Readers::jsonl; read_dataset() and read_texts() call it. `path` is for messages.
inline void read_jsonl(std::string_view text, const std::string& path, const ReadOptions& options, bool with_label,
                       TakeRow take) {
  LineReader lines(text, path);
  std::string text_key, label_key;
  bool any = false;
  for (std::string_view line; lines.next(line);) {
    if (detail::trimmed(line).empty()) continue;
    const std::string where = text_of(path, ":", lines.line());
    const auto object = detail::parse_json_line(line, where);
    check(object.is_object(), where, ": expected one JSON object on each line, got ", object.type_name());
    if (!any) {
      std::vector<std::string> keys;
      for (const auto& [key, value] : object.items()) keys.push_back(std::string(key));
      const auto columns = detail::find_columns(keys, options, with_label, where, "");
      text_key = keys[std::size_t(columns.text)];
      if (with_label) label_key = keys[std::size_t(columns.label)];
      any = true;
    }
    std::string value = detail::json_text(detail::json_column(object, text_key, where), text_key, where);
    std::string label;
    if (with_label) label = detail::json_label(detail::json_column(object, label_key, where), label_key, where);
    take(value, label, lines.line());
  }
  check(any, path, ": the file holds only blank lines");
}

}  // namespace quern::inline QUERN_ABI
