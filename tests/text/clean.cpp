#include <quern/text/clean.hpp>

#include <doctest/doctest.h>

#include "data/files.hpp"

using namespace quern;

namespace {

std::string cleaned(std::string_view text, std::string_view names = "default") {
  return clean(text, clean_named(names));
}

}  // namespace

TEST_CASE("names of cleaning options") {
  CHECK(names_of(clean_named("default")) == "html,control,nfc,space");
  CHECK(names_of(clean_named("space,html,nfkc")) == "html,nfkc,space");
  CHECK(names_of(clean_named("none")) == "none");
  CHECK(clean_named("") == CleanOptions{});
  CHECK(names_of(clean_named("default,lower")) == "html,control,nfc,lower,space");
  CHECK(holds(error_of([] { clean_named("html,nfx"); }), "clean: 'nfx' is not known", "html, control", "default"));
  CHECK(holds(error_of([] { clean_named("html,"); }), "clean: '' is not known"));
  CHECK(holds(error_of([] { clean_named("nfc,nfkc"); }), "give one of them"));
}

TEST_CASE("each option does its own") {
  CHECK(cleaned(" a  <b>b</b>\x01 \xE2\x80\x8B&amp; ", "none") == " a  <b>b</b>\x01 \xE2\x80\x8B&amp; ");
  CHECK(cleaned("one<br />two<BR>three</p><a href='x'>four</a><!-- five -->", "html") == "one two three  four  ");
  CHECK(cleaned("a\x01 b\x7F\xC2\x85\tc\nd\xE2\x80\x8B\xEF\xBB\xBF\xC2\xAD\x65", "control") == "a  b  \tc\nd e");
  CHECK(cleaned(" a \t\n b\xC2\xA0\xE3\x80\x80 c ", "space") == "a b c");
  CHECK(cleaned("e\xCC\x81 \xEF\xAC\x81 \xEF\xBC\xA1", "nfc") == "é \xEF\xAC\x81 \xEF\xBC\xA1");
  CHECK(cleaned("e\xCC\x81 \xEF\xAC\x81 \xEF\xBC\xA1", "nfkc") == "é fi A");
  CHECK(cleaned("ÀÉ İ STRASSE ΣΑΣ", "lower") == "àé i strasse σασ");
  CHECK(cleaned("see http://a.b/c?d=e, (https://x) or www.y.org.", "urls") == "see httpurl, (httpurl) or httpurl.");
  CHECK(cleaned("www. http:// xhttp://a", "urls") == "www. http:// xhttp://a");
  CHECK(cleaned("@bob hi @al_1! me@home.org @", "mentions") == "@user hi @user! me@home.org @");
}

TEST_CASE("character references") {
  CHECK(cleaned("caf&eacute; &#233; &#xE9; &#XE9; &AElig; &hellip; &#146; &quot;&apos;", "html") ==
        "café é é é Æ … ’ \"'");
  CHECK(cleaned("&amp;amp;lt; &am&#112;;", "html") == "< &");
  CHECK(cleaned("AT&T; &foo; &#; &#x; &#xZ; &; &amp no end", "html") == "AT&T; &foo; &#; &#x; &#xZ; &; &amp no end");
  // No character has these numbers; what is put in their place is U+FFFD.
  for (const char* bad : {"&#0;", "&#x110000;", "&#xD800;", "&#99999999999999999999;", "&#x0;"})
    CHECK(cleaned(bad, "html") == "\xEF\xBF\xBD");
  CHECK(cleaned("&#1;", "html,control,space") == "");
  CHECK(cleaned("&shy;a&zwnj;b", "html,control") == "ab");
  CHECK(cleaned("&#xFF1C;br&#xFF1E;x", "html,nfkc") == " x");
  CHECK(cleaned("e&#x301;", "html,nfc") == "é");
  CHECK(decode_entity("&yuml;") == 0xFF);
  CHECK(decode_entity("&nbsp;") == 0xA0);
}

TEST_CASE("only what HTML knows is a tag") {
  for (const char* tag : {"<br>", "<br/>", "<BR />", "</p>", "<h1>", "<a href=\"x\">", "<!-- x -->", "<!DOCTYPE html>"})
    CHECK_MESSAGE(is_tag(tag), tag);
  for (const char* text : {"<3>", "<>", "< b>", "<b and c>", "<bob@x.org>", "<!>", "<!-- x >", "<brr>", "<a", "<b=c>"})
    CHECK_MESSAGE(!is_tag(text), text);
  CHECK(cleaned("x < y and y > z, a <b and c> d, I <3 it") == "x < y and y > z, a <b and c> d, I <3 it");
  CHECK(cleaned("&lt;br&gt;x<b<br>=r>y") == "x y");
  CHECK(cleaned("<!-- <b>bold</b> -->x") == "x");
  CHECK(cleaned("a<br />" + std::string(5000, 'x') + "<br />b") == "a " + std::string(5000, 'x') + " b");
  CHECK(holds_html("so <br />so"));
  CHECK(holds_html("A&amp;B"));
  CHECK_FALSE(holds_html("1 < 2; 3 > 2 & so on;"));
}

TEST_CASE("emoji stay whole") {
  const std::string family = "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7", heart = "\xE2\x9D\xA4\xEF\xB8\x8F";
  CHECK(cleaned(family + " " + heart) == family + " " + heart);
  CHECK(cleaned("a\xE2\x80\x8D"
                "b\xEF\xB8\x8F") == "ab");
}

TEST_CASE("bytes that are no UTF-8 become U+FFFD") {
  CHECK(cleaned("a\xFF e\xCC\x81\xC3") == "a\xEF\xBF\xBD é\xEF\xBF\xBD");
}

TEST_CASE("cleaning twice is cleaning once, and gives UTF-8") {
  const std::string_view pieces[] = {"&",
                                     "amp;",
                                     "lt;",
                                     "gt;",
                                     "&lt;",
                                     "&gt;",
                                     "&#",
                                     "x3c;",
                                     "38;",
                                     "112",
                                     ";",
                                     "#",
                                     "5",
                                     "<",
                                     ">",
                                     "<b",
                                     "<br />",
                                     "</p>",
                                     "<!--",
                                     "-->",
                                     "=",
                                     "/",
                                     " ",
                                     "\n",
                                     "a",
                                     "B",
                                     "I",
                                     "\xCC\xB8",
                                     "\xCC\x87",
                                     "\xCC\x81",
                                     "\xC2\xAD",
                                     "\xE2\x80\x8B",
                                     "\xE2\x80\x8D",
                                     "\xEF\xBC\x9C",
                                     "\xEF\xBC\x9E",
                                     "\xEF\xBC\x86",
                                     "\xEF\xBC\x9B",
                                     "\xCD\xBE",
                                     "İ",
                                     "ẞ",
                                     "\xEF\xAC\x81",
                                     "\xE2\x84\xAB",
                                     "http://",
                                     "www.",
                                     "@",
                                     "@u",
                                     "\"",
                                     ".",
                                     "é",
                                     "好",
                                     "\x01",
                                     "\xC2\x85",
                                     "\xF0\x9F\x98\x80",
                                     "\xEF\xB8\x8F",
                                     "&shy;",
                                     "&#xFF06;"};
  std::uint32_t state = 3;
  const auto next = [&](std::uint32_t n) { return (state = state * 1664525 + 1013904223, (state >> 8) % n); };
  const char* all[] = {"default",
                       "html",
                       "html,nfkc,lower",
                       "html,control",
                       "default,urls,mentions,lower",
                       "control",
                       "urls,mentions",
                       "html,control,nfkc,urls,mentions,lower,space",
                       "lower,nfc",
                       "space"};
  int changed = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (std::uint32_t n = 1 + next(14); n > 0; --n) text += pieces[next(std::uint32_t(std::size(pieces)))];
    const CleanOptions options = clean_named(all[next(std::uint32_t(std::size(all)))]);
    const std::string once = clean(text, options);
    REQUIRE_MESSAGE(clean(once, options) == once, text, " by ", names_of(options));
    REQUIRE(first_invalid_utf8(once) == std::string::npos);
    if (options.html) REQUIRE(once.find("<br>") == std::string::npos);
    changed += once != text;
  }
  CHECK(changed > 10000);
}

TEST_CASE("long chains are cleaned in one pass") {
  std::string text = "&";
  for (int i = 0; i < 200'000; ++i) text += "amp;";
  CHECK(cleaned(text + "lt;br>x") == "x");
  text = "&";  // under NFKC each full-width & is the & of the next
  for (int i = 0; i < 100'000; ++i) text += "#xFF06;";
  CHECK(cleaned(text + "lt;br>x", "html,nfkc,space") == "x");
  std::string chain;  // each reference completes the one before it
  for (int i = 0; i < 200'000; ++i) chain += i % 5 == 0 ? "&#4" : "&#5";
  const std::string ends = cleaned(chain + "&#48;" + std::string(200'000, ';'), "html");
  CHECK(ends == "0");
  CHECK(cleaned(std::string(1'000'000, '<') + std::string(100'000, '>'), "html").size() == 1'100'000);
}

TEST_CASE("a cleaner cleans many texts, and asks for its function") {
  const std::vector<std::string> texts(1000, "a <br /> b");
  const std::vector<std::string> out = Cleaner{clean_named("default"), clean}(texts);
  CHECK(out == std::vector<std::string>(1000, "a b"));
  CHECK(Cleaner{}(texts) == texts);
  CHECK(holds(error_of<InvalidArgument>([&] { Cleaner{clean_named("html")}(texts); }), "html is asked for"));
}
