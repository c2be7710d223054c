#include <quern/text/tokenizer.hpp>

#include <doctest/doctest.h>

#include "data/files.hpp"

using namespace quern;

namespace {

std::string joined(const Tokenizer& tokenizer, std::string_view text) {
  std::string out;
  tokenizer.each(text, [&](std::string_view token) { (out += out.empty() ? "" : "|") += token; });
  return out;
}
std::string words(std::string_view text) { return joined(Tokenizer::words(), text); }
std::string characters(std::string_view text) { return joined(Tokenizer::characters(), text); }

}  // namespace

TEST_CASE("a tokenizer is a value with a name") {
  CHECK(Tokenizer::named("words") == Tokenizer::words());
  CHECK(Tokenizer::named("characters") == Tokenizer::characters());
  CHECK(Tokenizer::words() != Tokenizer::characters());
  CHECK(text_of(Tokenizer::characters()) == "characters");
  CHECK(holds(error_of([] { Tokenizer::named("word"); }), "'word'", "words or characters"));
  CHECK(Tokenizer::words()("Two words") == std::vector<std::string>{"two", "words"});
}

TEST_CASE("words: the cleaning of Kim (2014)") {
  CHECK(words("The film's great, isn't it?") == "the|film|'s|great|,|is|n't|it|?");
  CHECK(words("I'd say we've won (they're out) -- we'll see!") == "i|'d|say|we|'ve|won|(|they|'re|out|)|we|'ll|see|!");
  CHECK(words("DON'T") == "do|n't");
  CHECK(words("rock 'n' roll; mid-1990's: 50% / a_b") == "rock|'n'|roll|mid|1990|'s|50|a|b");
  CHECK(words("can't've") == "ca|n't|'ve");
  CHECK(words("'s 's's n't") == "'s|'s|'s|n't");
  CHECK(words("`quoted'") == "`quoted'");
  CHECK(words("  \t\r\n.;: ").empty());
  CHECK(words("").empty());
}

TEST_CASE("words: letters beyond ASCII survive") {
  CHECK(words("Amélie's CLICHÉS") == "amélie|'s|clichés");
  CHECK(words("Ça va ? Été — ÜBER") == "ça|va|?|été|über");
  CHECK(words("Это ХОРОШИЙ фильм, Ёлка!") == "это|хороший|фильм|,|ёлка|!");
  CHECK(words("ΚΑΛΗΜΕΡΑ κόσμε") == "καλημερα|κόσμε");
  CHECK(words("Tiếng VIỆT") == "tiếng|việt");
  CHECK(words("e\u0301te\u0301 co\u00ADop") == "e\u0301te\u0301|coop");  // a combining accent, a soft hyphen
  CHECK(words("it’s «fine» “ok”… 100€") == "it|'s|fine|ok|100");
  CHECK(words("감사합니다 정말") == "감사합니다|정말");
  CHECK(words("很好吃，very 好！") == "很|好|吃|,|very|好|!");
  CHECK(words("ＡＢＣ１２") == "abc12");
  CHECK(words("すごい カメラ") == "す|ご|い|カ|メ|ラ");
}

TEST_CASE("emoji are tokens with what modifies them") {
  CHECK(words("good😀😀!") == "good|😀|😀|!");
  CHECK(words("👍🏽 ok ❤️") == "👍🏽|ok|❤️");
  CHECK(words("👩‍👩‍👧x") == "👩‍👩‍👧|x");
  CHECK(words("🇩🇪🇫🇷") == "🇩🇪|🇫🇷");
  CHECK(characters("好👍🏽👍") == "好|👍🏽|👍");
}

TEST_CASE("characters: Chinese one by one, other letters in runs") {
  CHECK(characters("很好吃，送餐快。") == "很|好|吃|，|送|餐|快|。");
  CHECK(characters("iPhone 15手机 OK啦~") == "iphone|15|手|机|ok|啦|~");
  CHECK(characters("ＷiFi２　满格") == "wifi2|满|格");
  CHECK(characters("don't") == "don|'|t");
  CHECK(characters("Привет，café") == "привет|，|café");
  CHECK(characters(" \n\u3000\u00A0").empty());
}

TEST_CASE("any bytes are taken, and tokens of valid UTF-8 are valid UTF-8") {
  CHECK(words("caf\xE9 bad\xFF\xFEword \xE4\xBD") == "caf|bad|word");
  std::uint32_t state = 1;
  for (int round = 0; round < 2000; ++round) {
    std::string bytes, valid;
    for (int i = 0; i < 40; ++i) {
      state = state * 1664525 + 1013904223;
      bytes += char(state >> 24);
      const char32_t c = (state >> 8) % (state & 1 ? 0x3000 : 0x20000);
      if (!(c >= 0xD800 && c <= 0xDFFF)) append_utf8(valid, c);
    }
    for (const Tokenizer& tokenizer : {Tokenizer::words(), Tokenizer::characters()}) {
      int bad = 0, empty = 0;
      const auto look = [&](std::string_view t) {
        empty += t.empty();
        bad += first_invalid_utf8(t) != std::string_view::npos || t.find_first_of(" \n\r") != t.npos ||
               t.find('\0') != t.npos;
      };
      tokenizer.each(bytes, look);
      tokenizer.each(valid, look);
      CHECK(bad == 0);
      CHECK(empty == 0);
    }
  }
}

TEST_CASE("time grows with the length, not with its square") {
  for (const char* piece : {"a", "'s", "'", "👩‍", "🇩", "\u0301", " ", "好"}) {
    std::string text;
    while (text.size() < 4'000'000) text += piece;
    std::size_t tokens = 0;
    Tokenizer::words().each(text, [&](std::string_view) { ++tokens; });
    CHECK(tokens <= text.size());
  }
}
