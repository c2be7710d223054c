#include <quern/text/encoding.hpp>

#include <doctest/doctest.h>

#include "data/files.hpp"

using namespace quern;

namespace {

// 很好吃，送餐也快 in GB18030 and in UTF-8, and 的确不错，我们都喜欢这个味道 in GB18030.
const std::string gb = "\xBA\xDC\xBA\xC3\xB3\xD4\xA3\xAC\xCB\xCD\xB2\xCD\xD2\xB2\xBF\xEC";
const std::string utf8 = "很好吃，送餐也快";
const std::string gb_more =
    "\xB5\xC4\xC8\xB7\xB2\xBB\xB4\xED\xA3\xAC\xCE\xD2\xC3\xC7\xB6\xBC\xCF\xB2\xBB\xB6\xD5\xE2\xB8\xF6\xCE\xB6\xB5\xC0";

std::string guessed(std::string_view bytes) {
  const EncodingGuess guess = guess_encoding(bytes);
  return guess.encoding ? name_of(*guess.encoding) : "refused: " + guess.reason;
}

}  // namespace

TEST_CASE("names of encodings") {
  CHECK(encoding_named("utf-8") == Encoding::utf8);
  CHECK(encoding_named("ISO-8859-1") == Encoding::latin1);
  CHECK(encoding_named("latin1") == Encoding::latin1);
  CHECK(encoding_named("gb18030") == Encoding::gb18030);
  CHECK(encoding_named("GBK") == Encoding::gb18030);
  for (const Encoding e : {Encoding::utf8, Encoding::latin1, Encoding::gb18030}) CHECK(encoding_named(name_of(e)) == e);
  CHECK(holds(error_of([] { encoding_named("utf-16"); }), "'utf-16'", "UTF-8, ISO-8859-1 or GB18030"));
}

TEST_CASE("conversion to UTF-8") {
  CHECK(to_utf8("caf\xE9 \x85 \xFF", Encoding::latin1, "f") == "café \xC2\x85 ÿ");
  CHECK(to_utf8(gb + "\n" + gb, Encoding::gb18030, "f") == utf8 + "\n" + utf8);
  CHECK(to_utf8("\x81\x30\x81\x30 \x94\x39\xDA\x33", Encoding::gb18030, "f") ==
        "\xC2\x80 \xF0\x9F\x92\xA9");  // 4 bytes
  CHECK(to_utf8("\xEF\xBB\xBF"
                "a,b",
                Encoding::utf8, "f") == "a,b");
  CHECK(to_utf8("", Encoding::utf8, "f").empty());
  std::string long_text, expected;
  for (int i = 0; i < 100'000; ++i) long_text += gb, expected += utf8;
  CHECK(to_utf8(long_text, Encoding::gb18030, "f") == expected);
}

TEST_CASE("bytes of another encoding are named with file, line and place") {
  CHECK(holds(error_of([] { to_utf8("ab\nc\xE9 d", Encoding::utf8, "in.csv"); }), "in.csv:2: byte 4 is not UTF-8",
              "0xE9 0x20 0x64", "--encoding"));
  CHECK(holds(error_of([] { to_utf8("ab\n\n" + gb + "\xFF\n", Encoding::gb18030, "in.csv"); }),
              "in.csv:3: byte 20 is not GB18030", "0xFF"));
  CHECK(holds(error_of([] { to_utf8(utf8.substr(0, utf8.size() - 1), Encoding::utf8, "cut"); }), "cut:1", "truncated"));
  CHECK(holds(error_of([] { to_utf8(gb.substr(0, gb.size() - 1), Encoding::gb18030, "cut"); }), "cut:1", "truncated"));
  using namespace std::literals;
  for (const Encoding e : {Encoding::utf8, Encoding::latin1, Encoding::gb18030})
    CHECK(holds(error_of([&] { to_utf8("a\nb\0c"s, e, "nul"); }), "nul:2: byte 3 is NUL"));
}

TEST_CASE("the guess is made from the whole file, or refused with a reason") {
  CHECK(guessed("plain text\n") == "UTF-8");
  CHECK(guessed("") == "UTF-8");
  CHECK(guessed(utf8) == "UTF-8");
  CHECK(guessed("\xEF\xBB\xBF"
                "a,b\n") == "UTF-8");
  CHECK(guessed(gb + "\n" + gb_more + "\n") == "GB18030");
  CHECK(guessed("caf\xE9 \nna\xEFve film\n") == "ISO-8859-1");  // \xE9\x20 is not GB18030
  CHECK(guessed("clich\xE9s galore\nna\xEFve\n\xE9toile\n") ==
        "refused: 3 lines hold bytes that are not UTF-8 (first: line 1), and they are both ISO-8859-1 and GB18030 by "
        "their form; name it with --encoding (UTF-8, ISO-8859-1, GB18030)");  // every \xE9 stands before a letter
  CHECK(holds(guessed(utf8 + "\nbad \xE9\n"), "refused: 1 line holds", "line 2", "damaged or mixed UTF-8"));
  std::string damaged;
  for (int i = 0; i < 20; ++i) damaged += gb + gb_more + "\n";
  CHECK(guessed(damaged) == "GB18030");
  CHECK(holds(guessed(damaged + "\xFF\xFF\n"), "refused", "only 1 are not GB18030", "damaged GB18030"));
  CHECK(holds(guessed("\xEF\xF0\xE8\xE2\xE5\xF2 \xEC\xE8\xF0\n"), "refused", "quarter"));  // Cyrillic of Windows-1251
  CHECK(holds(guessed("\xA4\xB3\xA4\xF3\xA4\xCB\xA4\xC1\xA4\xCF\xC0\xA4\xB3\xA6\xA4\xB3\n"), "refused"));  // EUC-JP
}

TEST_CASE("files that are no text say what they are") {
  using namespace std::literals;
  CHECK(holds(guessed("\xFF\xFE"
                      "a\0b\0"sv),
              "refused", "UTF-16"));
  CHECK(holds(guessed("\xFE\xFF"
                      "\0a"sv),
              "refused", "UTF-16"));
  CHECK(holds(guessed("a\0b\0"sv), "refused", "NUL"));
  CHECK(holds(guessed("\xFD"
                      "7zXZ\0"sv),
              "refused", "compressed"));
}

TEST_CASE("evidence of several files is taken together") {
  EncodingEvidence evidence;
  evidence.add("plain\n", "a.neg");
  evidence.add("one\ncaf\xE9\nh\xF4tel\n", "a.pos");
  const EncodingGuess guess = evidence.guess();
  REQUIRE(guess.encoding.has_value());
  CHECK(*guess.encoding == Encoding::latin1);
  CHECK(guess.reason ==
        "ISO-8859-1: 2 lines hold bytes that are not UTF-8 (first: line 2 of a.pos), and 1 of them is "
        "not GB18030 either");
}

TEST_CASE("public data sets") {
  const std::string data = data_sets();
  if (data.empty()) {
    MESSAGE("skipped: QUERN_DATA is not set");
    return;
  }
  const auto of_file = [&](const char* name) { return guessed(read_file(data + "/" + name)); };
  CHECK(of_file("mr/rt-polarity.pos") == "ISO-8859-1");
  CHECK(of_file("mr/rt-polarity.neg") == "ISO-8859-1");
  CHECK(of_file("trec/TREC_10.label") == "UTF-8");
  CHECK(holds(of_file("trec/train_5500.label"), "refused: 1 line holds", "line 66", "both ISO-8859-1 and GB18030"));
  CHECK(of_file("financial_phrasebank/Sentences_50Agree.txt") == "ISO-8859-1");
  CHECK(of_file("financial_phrasebank/Sentences_AllAgree.txt") == "UTF-8");
  CHECK(of_file("waimai/waimai_10k.csv") == "UTF-8");
  CHECK(of_file("banking77/train.csv") == "UTF-8");
}
