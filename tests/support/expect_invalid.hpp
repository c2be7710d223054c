/// A call that must be refused, with a message that names what the caller needs, and the line of the test.
///
///   expect_invalid([&] { linear(x, weight, bias); }, {"linear", "weight (out.weight) is [2, 3]"});
///
/// The line of the refused call may stand up to four lines below that of `expect_invalid`.
#pragma once
#include <doctest/doctest.h>

#include <initializer_list>
#include <string>

#include <quern/base/error.hpp>

namespace test {
using namespace quern;

/// The message of the exception of type E that `f` throws; "" if it throws none.
template <class E>
std::string message_of(auto&& f) {
  try {
    f();
  } catch (const E& e) { return e.what(); }
  return "";
}

/// Every part is in the message of the InvalidArgument.
inline void expect_message(const std::string& message, std::initializer_list<std::string> parts) {
  CHECK(!message.empty());
  for (const auto& part : parts)
    CHECK_MESSAGE(message.find(part) != std::string::npos, "\"", message, "\" does not say \"", part, "\"");
}

/// And the place of the call is.
void expect_invalid(auto&& f, std::initializer_list<std::string> parts, Caller at = Caller::here()) {
  const auto message = message_of<InvalidArgument>(f);
  expect_message(message, parts);
  bool named = false;
  for (int line = at.line; line < at.line + 5; ++line)
    named = named || message.find(text_of("(", Caller{at.file, line}, ")")) != std::string::npos;
  CHECK_MESSAGE(named, "\"", message, "\" does not name the call at ", text_of(at));
}

}  // namespace test
