/// Needs nlohmann-json. JSON in and out, with errors that name the file, the key, what was expected and what was got.
///
///   nlohmann::json config = read_json("model/config.json");
///   auto classes = json_value<std::vector<std::string>>(config, "classes", "model/config.json");
///   write_json("model/metrics.json", metrics);
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <quern/base/file.hpp>

namespace quern::inline QUERN_ABI {

/// Strict JSON: a key given twice, or more than `deepest` levels, is an Error too. `where` begins the message.
inline nlohmann::json parse_json(std::string_view text, const std::string& where, int deepest = 64) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto look = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& value) {
    using Event = nlohmann::json::parse_event_t;
    check(depth <= deepest, where, ": nested more than ", deepest, " levels deep");
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key)
      check(keys.back().insert(value.get<std::string>()).second, where, ": '", value.get<std::string>(),
            "' is given twice");
    return true;
  };
  try {
    return nlohmann::json::parse(text, look);
  } catch (const nlohmann::json::exception& e) { throw_error(text_of(where, ": not valid JSON: ", e.what())); }
}

inline nlohmann::json read_json(const std::string& path) {
  return parse_json(read_file(path, std::size_t(1) << 30), path);
}

/// Writes with two spaces of indentation and a line end. Bytes that are no UTF-8 (of a path) are written as U+FFFD.
template <class Json>
void write_json(const std::string& path, const Json& value) {
  atomic_write(path, value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

/// The value under `key`. Throws Error where it is missing or of another type.
template <class T>
T json_value(const nlohmann::json& object, const std::string& key, const std::string& where) {
  check(object.is_object() && object.contains(key), where, ": '", key, "' is missing");
  const auto& value = object[key];
  const auto wrong = [&](const char* expected) {
    throw_error(text_of(where, ": '", key, "' is ", value.dump().substr(0, 60), ", expected ", expected));
  };
  if constexpr (std::is_same_v<T, bool>) {
    if (!value.is_boolean()) wrong("true or false");
  } else if constexpr (std::is_integral_v<T>) {
    if (!value.is_number_integer() || (std::is_unsigned_v<T> && !value.is_number_unsigned())) wrong("a whole number");
    if (!std::is_unsigned_v<T> && value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t(INT64_MAX))
      wrong("a whole number below 2^63");
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!value.is_number()) wrong("a number");
  }
  if constexpr (std::is_same_v<T, std::vector<std::int64_t>>)
    for (const auto& n : value)
      if (!n.is_number_integer()) wrong("whole numbers");
  try {
    return value.get<T>();
  } catch (const nlohmann::json::exception& e) {
    throw_error(text_of(where, ": '", key, "' is ", value.dump().substr(0, 60), ": ", e.what()));
  }
}

}  // namespace quern::inline QUERN_ABI
