#include <quern/text/string_table.hpp>

#include <algorithm>

#include <doctest/doctest.h>

using namespace quern;

TEST_CASE("strings are numbered in the order they came, also when the table grows") {
  StringTable table;
  CHECK(table.find("a") == StringTable::none);
  for (int round = 0; round < 2; ++round)
    for (std::int32_t i = 0; i < 1000; ++i) REQUIRE(table.add("word" + std::to_string(i)) == i);
  CHECK(table.size() == 1000);
  CHECK(table[713] == "word713");
  CHECK(table.find("word713") == 713);
  CHECK(table.find("word1000") == StringTable::none);
}

TEST_CASE("numbers are sorted as std::stable_sort does, for any length") {
  for (std::int64_t n = 0; n < 70; ++n) {
    auto numbers = detail::numbers_below(n);
    for (auto& i : numbers) i = i * 37 % 71;
    auto expected = numbers;
    const auto less = [](std::int64_t a, std::int64_t b) { return a % 5 < b % 5; };  // many are equal
    std::stable_sort(expected.begin(), expected.end(), less);
    detail::sort_numbers(numbers, less);
    CHECK(numbers == expected);
  }
}
