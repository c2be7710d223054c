#include <quern/text/utf8.hpp>

#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace quern;

TEST_CASE("every code point survives encoding and decoding, surrogates and values beyond do not exist") {
  int wrong = 0;
  for (char32_t c = 0; c < 0x120000; ++c) {
    std::string bytes;
    append_utf8(bytes, c);
    const CodePoint back = code_point_at(bytes, 0);
    const bool exists = c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF);
    wrong += back.ok != exists || (exists && (back.value != c || back.bytes != int(bytes.size())));
    wrong += (first_invalid_utf8(bytes) == std::string::npos) != exists;
  }
  CHECK(wrong == 0);
}

TEST_CASE("bytes that are not UTF-8 are found where they stand") {
  const auto first_bad = [](std::string_view bytes) { return first_invalid_utf8(bytes); };
  CHECK(first_bad("plain ascii, longer than eight bytes") == std::string::npos);
  CHECK(first_bad("caf\xE9") == 3);                  // ISO-8859-1
  CHECK(first_bad("0123456789\xC3\xA9\xC3") == 12);  // cut inside a character
  CHECK(first_bad("\xC0\x80") == 0);                 // overlong NUL
  CHECK(first_bad("\xE0\x80\x80") == 0);             // overlong
  CHECK(first_bad("\xF0\x80\x80\x80") == 0);         // overlong
  CHECK(first_bad("a\xED\xA0\x80") == 1);            // a surrogate
  CHECK(first_bad("\xE0\x9F\xBF") == 0);             // overlong, the greatest of two bytes
  CHECK(first_bad("\xF0\x8F\xBF\xBF") == 0);         // overlong, the greatest of three bytes
  CHECK(first_bad("\xF4\x90\x80\x80") == 0);         // above U+10FFFF
  CHECK(first_bad("\xE4\xBD\xA0\x80") == 3);         // a continuation without its lead
  CHECK(first_bad("\xE4\xBD ") == 0);
}

TEST_CASE("lower-casing of Latin, Greek and Cyrillic letters") {
  const std::vector<std::pair<std::u32string_view, std::u32string_view>> pairs = {
      {U"AZaz09", U"azaz09"},     {U"ÀÉÞ×ßÿ", U"àéþ×ßÿ"},       {U"ĀĶĹŇŊŸŹŽſ", U"āķĺňŋÿźžſ"}, {U"İı", U"iı"},
      {U"ΑΆΈΌΏΩΫς", U"αάέόώωϋς"}, {U"АЯЀЁЏѠҐӀӁ", U"аяѐёџѡґӏӂ"}, {U"ƠƯẠỸȘ", U"ơưạỹș"},         {U"中ёあ", U"中ёあ"}};
  for (const auto& [upper, small] : pairs)
    for (std::size_t i = 0; i < upper.size(); ++i) {
      const std::uint32_t before = upper[i];
      CAPTURE(before);
      CHECK(std::uint32_t(lower(before)) == std::uint32_t(small[i]));
    }
  for (char32_t c = 0; c < 0x110000; ++c)
    if (lower(lower(c)) != lower(c)) FAIL_CHECK("lower is not settled at " << std::uint32_t(c));
}

TEST_CASE("classes of characters") {
  for (const char32_t c : std::u32string_view(U"aZ9éßžΩяאعहไ한კ")) CHECK_MESSAGE(is_word(c), std::uint32_t(c));
  for (const char32_t c : std::u32string_view(U" .-_—…“”«»€№™×÷、。，！😀☺☕→"))
    CHECK_MESSAGE(!is_word(c), std::uint32_t(c));
  for (const char32_t c : std::u32string_view(U"中㐀あカ々〇ㄅ𠀀")) CHECK_MESSAGE(is_cjk(c), std::uint32_t(c));
  for (const char32_t c : std::u32string_view(U"한ㅋa、・")) CHECK_MESSAGE(!is_cjk(c), std::uint32_t(c));
  for (const char32_t c : std::u32string_view(U"😀👍☕❤⌚🇩🦙"))
    CHECK_MESSAGE(is_emoji(c), std::uint32_t(c));
  for (const char32_t c : std::u32string_view(U"\t\n\u0085\u00A0\u3000\u200B"))
    CHECK_MESSAGE(is_space(c), std::uint32_t(c));
  int several = 0;
  for (char32_t c = 0; c < 0x110000; ++c)
    several += is_word(c) + is_cjk(c) + is_emoji(c) + is_invisible(c) + is_space(c) > 1;
  CHECK(several == 0);
}
