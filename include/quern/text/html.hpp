/// The parts of HTML that texts from the web carry: character references and tags.
///
///   decode_entity("&eacute;") == U'é';  decode_entity("&#x27;") == U'\'';  decode_entity("&foo;") == no_entity;
///   holds_html("so <br />so");  is_tag("<br />");  is_tag("</p>");  is_tag("<a href=x>");  !is_tag("<3>"); !is_tag("<b
///   and c>");
#pragma once
#include <cstdint>
#include <string_view>

#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI {

inline constexpr char32_t no_entity = 0xFFFFFFFF;

namespace detail {

inline constexpr std::size_t longest_entity = 40, longest_tag = 4096;  // bytes

struct NamedEntity {
  std::string_view name;
  char32_t value;
};
inline constexpr NamedEntity entities[] = {
    {"amp", '&'},       {"lt", '<'},        {"gt", '>'},        {"quot", '"'},      {"apos", '\''},
    {"semi", ';'},      {"num", '#'},       {"excl", '!'},      {"quest", '?'},     {"comma", ','},
    {"period", '.'},    {"colon", ':'},     {"lpar", '('},      {"rpar", ')'},      {"commat", '@'},
    {"dollar", '$'},    {"percnt", '%'},    {"ast", '*'},       {"plus", '+'},      {"sol", '/'},
    {"equals", '='},    {"lowbar", '_'},    {"Tab", '\t'},      {"NewLine", '\n'},  {"ndash", 0x2013},
    {"mdash", 0x2014},  {"lsquo", 0x2018},  {"rsquo", 0x2019},  {"sbquo", 0x201A},  {"ldquo", 0x201C},
    {"rdquo", 0x201D},  {"bdquo", 0x201E},  {"dagger", 0x2020}, {"Dagger", 0x2021}, {"bull", 0x2022},
    {"hellip", 0x2026}, {"permil", 0x2030}, {"prime", 0x2032},  {"lsaquo", 0x2039}, {"rsaquo", 0x203A},
    {"euro", 0x20AC},   {"trade", 0x2122},  {"OElig", 0x152},   {"oelig", 0x153},   {"Scaron", 0x160},
    {"scaron", 0x161},  {"Yuml", 0x178},    {"fnof", 0x192},    {"circ", 0x2C6},    {"tilde", 0x2DC},
    {"ensp", 0x2002},   {"emsp", 0x2003},   {"thinsp", 0x2009}, {"zwnj", 0x200C},   {"zwj", 0x200D},
    {"lrm", 0x200E},    {"rlm", 0x200F},    {"larr", 0x2190},   {"uarr", 0x2191},   {"rarr", 0x2192},
    {"darr", 0x2193},   {"minus", 0x2212},  {"infin", 0x221E},  {"ne", 0x2260},     {"le", 0x2264},
    {"ge", 0x2265},     {"hearts", 0x2665}, {"star", 0x2606},   {"starf", 0x2605},  {"check", 0x2713},
};
/// U+00A0 to U+00FF in order (HTML 4.01, section 24.2.1).
inline constexpr std::string_view latin1_entities[] = {
    "nbsp",   "iexcl",  "cent",   "pound",  "curren", "yen",    "brvbar", "sect",   "uml",    "copy",   "ordf",
    "laquo",  "not",    "shy",    "reg",    "macr",   "deg",    "plusmn", "sup2",   "sup3",   "acute",  "micro",
    "para",   "middot", "cedil",  "sup1",   "ordm",   "raquo",  "frac14", "frac12", "frac34", "iquest", "Agrave",
    "Aacute", "Acirc",  "Atilde", "Auml",   "Aring",  "AElig",  "Ccedil", "Egrave", "Eacute", "Ecirc",  "Euml",
    "Igrave", "Iacute", "Icirc",  "Iuml",   "ETH",    "Ntilde", "Ograve", "Oacute", "Ocirc",  "Otilde", "Ouml",
    "times",  "Oslash", "Ugrave", "Uacute", "Ucirc",  "Uuml",   "Yacute", "THORN",  "szlig",  "agrave", "aacute",
    "acirc",  "atilde", "auml",   "aring",  "aelig",  "ccedil", "egrave", "eacute", "ecirc",  "euml",   "igrave",
    "iacute", "icirc",  "iuml",   "eth",    "ntilde", "ograve", "oacute", "ocirc",  "otilde", "ouml",   "divide",
    "oslash", "ugrave", "uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml",
};
/// &#128; to &#159; mean the characters of Windows-1252 (HTML, numeric character reference end state).
inline constexpr char16_t windows1252[32] = {
    0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,  0x2030, 0x160,
    0x2039, 0x152,  0x8D,   0x17D,  0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178,
};
inline constexpr std::string_view elements =
    " a abbr address article aside audio b big blockquote body br button caption center cite code col dd del details "
    "div "
    "dl dt em embed fieldset figcaption figure font footer form frame h1 h2 h3 h4 h5 h6 head header hr html i iframe "
    "img "
    "input ins kbd label legend li link main mark meta nav noscript object ol option p param pre q s samp script "
    "section "
    "select small source span strike strong style sub summary sup svg table tbody td textarea tfoot th thead time "
    "title "
    "tr tt u ul var video wbr ";

/// The number a numeric reference stands for: `digits` is "39" or "x27". NUL, surrogates and what lies beyond U+10FFFF
/// become U+FFFD, as in HTML.
inline char32_t numeric_entity(std::string_view digits) {
  const bool hex = digits.starts_with('x') || digits.starts_with('X');
  if (hex) digits.remove_prefix(1);
  if (digits.empty()) return no_entity;
  std::uint32_t value = 0;
  for (const char c : digits) {
    const bool decimal = c >= '0' && c <= '9', letter = hex && (c | 32) >= 'a' && (c | 32) <= 'f';
    if (!decimal && !letter) return no_entity;
    value = value * (hex ? 16 : 10) + std::uint32_t(decimal ? c - '0' : (c | 32) - 'a' + 10);
    if (value > 0x10FFFF) value = 0x110000;
  }
  if (value >= 0x80 && value < 0xA0) return windows1252[value - 0x80];
  return value == 0 || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000) ? 0xFFFD : char32_t(value);
}

}  // namespace detail

/// The character of "&name;", "&#number;" or "&#xnumber;"; no_entity for anything else.
inline char32_t decode_entity(std::string_view text) {
  if (text.size() < 4 || text.front() != '&' || text.back() != ';') return no_entity;
  const std::string_view name = text.substr(1, text.size() - 2);
  if (name[0] == '#') return detail::numeric_entity(name.substr(1));
  for (const auto& entity : detail::entities)
    if (name == entity.name) return entity.value;
  for (char32_t c = 0; c < 96; ++c)
    if (name == detail::latin1_entities[c]) return 0xA0 + c;
  return no_entity;
}

/// Whether "<…>" is a comment, a declaration or the tag of an HTML element: a name HTML knows, then nothing but "/" and
/// white space, or attributes with "=". So "a <b and c> d" is text.
inline bool is_tag(std::string_view text) {
  if (text.size() < 3 || text.front() != '<' || text.back() != '>') return false;
  std::string_view inside = text.substr(1, text.size() - 2);
  if (inside.starts_with("!--")) return inside.size() >= 5 && inside.ends_with("--");
  const auto lowered = [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; };
  if (inside.starts_with('!')) return inside.size() > 1 && lowered(inside[1]) >= 'a' && lowered(inside[1]) <= 'z';
  if (inside.starts_with('/')) inside.remove_prefix(1);
  char name[16] = " ";
  std::size_t n = 0;
  for (; n < inside.size() && n < 12; ++n) {
    const char c = lowered(inside[n]);
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9' && n > 0))) break;
    name[n + 1] = c;
  }
  if (n == 0) return false;
  name[n + 1] = ' ';
  if (detail::elements.find(std::string_view(name, n + 2)) == std::string_view::npos) return false;
  const std::string_view rest = inside.substr(n);
  if (rest.find_first_not_of(" \t\r\n/") == std::string_view::npos) return true;
  return (rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r' || rest[0] == '\n') &&
         rest.find('=') != std::string_view::npos;
}

/// Whether a text holds a tag or a reference.
inline bool holds_html(std::string_view text) {
  for (std::size_t end = 0; (end = text.find_first_of(">;", end)) != std::string_view::npos; ++end) {
    const std::size_t begin = text.substr(0, end).rfind(text[end] == '>' ? '<' : '&');
    if (begin == std::string_view::npos ||
        end - begin > (text[end] == '>' ? detail::longest_tag : detail::longest_entity))
      continue;
    const std::string_view found = text.substr(begin, end - begin + 1);
    if (text[end] == '>' ? is_tag(found) : decode_entity(found) != no_entity) return true;
  }
  return false;
}

}  // namespace quern::inline QUERN_ABI
