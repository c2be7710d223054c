/// One way to fail: `check(condition, "op: what is wrong, expected ", e, ", got ", g, "; what to do")`.
/// The parts are only turned into text when the condition is false, so a check costs one branch.
///
///   check(rows > 0, "split: the data set is empty (", path, ")");
///
/// Throws Error (a std::runtime_error) for the outside world: files, data, devices. Throws InvalidArgument
/// (a std::invalid_argument) from `require`, for a mistake in the calling code: shapes, settings.
#pragma once
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI {

/// Something outside the program is wrong: a file, an encoding, a device. The message says what, where, expected and
/// got.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The calling code is wrong: shapes that do not fit, a setting out of range.
struct InvalidArgument : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// Where a call stands in the user's code: `Caller at = Caller::here()` as the last parameter of a public function.
struct Caller {
  const char* file = "";
  int line = 0;
  static constexpr Caller here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }
};

/// Appends one value to a message. Other types join by an overload of `append_text` found beside them.
inline void append_text(std::string& out, std::string_view s) { out += s; }
inline void append_text(std::string& out, const char* s) { out += s; }
inline void append_text(std::string& out, char c) { out += c; }
inline void append_text(std::string& out, bool b) { out += b ? "true" : "false"; }
inline void append_text(std::string& out, std::signed_integral auto v) {
  char buffer[24];
  std::snprintf(buffer, sizeof buffer, "%lld", static_cast<long long>(v));
  out += buffer;
}
inline void append_text(std::string& out, std::unsigned_integral auto v) {
  char buffer[24];
  std::snprintf(buffer, sizeof buffer, "%llu", static_cast<unsigned long long>(v));
  out += buffer;
}
inline void append_text(std::string& out, std::floating_point auto v) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%g", double(v));
  out += buffer;
}
[[gnu::cold, gnu::noinline]] inline void append_text(std::string& out, const Caller& at) {
  std::string_view file = at.file;
  out += file.substr(file.find_last_of('/') + 1);
  out += ':';
  append_text(out, at.line);
}

namespace detail {
/// One part of a message, not yet turned into text. The common types have constructors of their own and the message is
/// put together by one function for all calls, so a check costs its translation unit little to compile.
struct MessagePart {
  union Value {
    const void* object;
    std::int64_t integer;
    double real;
  } value{};
  void (*append)(std::string&, const Value&);

  MessagePart(const char* s) : append(text) { value.object = s; }
  template <std::integral T>
  requires(sizeof(T) > 1) MessagePart(T v) : append(std::signed_integral<T> ? integer : natural) {
    value.integer = std::int64_t(v);
  }
  template <std::floating_point T>
  MessagePart(T v) : append(real) {
    value.real = v;
  }
  template <class T>
  requires(!std::is_arithmetic_v<T> || sizeof(T) == 1) MessagePart(const T& v)
      : append([](std::string& out, const Value& x) { append_text(out, *static_cast<const T*>(x.object)); }) {
    value.object = &v;
  }

  static void text(std::string& out, const Value& v) { append_text(out, static_cast<const char*>(v.object)); }
  static void integer(std::string& out, const Value& v) { append_text(out, v.integer); }
  static void natural(std::string& out, const Value& v) { append_text(out, std::uint64_t(v.integer)); }
  static void real(std::string& out, const Value& v) { append_text(out, v.real); }
};

[[gnu::cold, gnu::noinline]] inline std::string join(std::initializer_list<MessagePart> parts) {
  std::string out;
  for (const auto& p : parts) p.append(out, p.value);
  return out;
}
[[noreturn, gnu::cold, gnu::noinline]] inline void throw_joined(std::initializer_list<MessagePart> parts) {
  throw Error(join(parts));
}
[[noreturn, gnu::cold, gnu::noinline]] inline void throw_invalid_joined(std::initializer_list<MessagePart> parts) {
  throw InvalidArgument(join(parts));
}
}  // namespace detail

/// One string from parts of any printable type.
[[nodiscard]] std::string text_of(const auto&... parts) { return detail::join({parts...}); }

[[noreturn, gnu::cold]] inline void throw_error(const std::string& message) { throw Error(message); }
[[noreturn, gnu::cold]] inline void throw_invalid(const std::string& message) { throw InvalidArgument(message); }

/// Throws Error when `ok` is false.
void check(bool ok, const auto&... parts) {
  if (!ok) [[unlikely]]
    detail::throw_joined({parts...});
}

/// Throws InvalidArgument when `ok` is false.
void require(bool ok, const auto&... parts) {
  if (!ok) [[unlikely]]
    detail::throw_invalid_joined({parts...});
}

}  // namespace quern::inline QUERN_ABI
