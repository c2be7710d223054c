/// What cleaning does to a text, by name; the cleaning itself is in text/clean.hpp, which needs a library.
///
///   CleanOptions options = clean_named("html,nfkc,space");     // "default", "none"; Error for other names
///   names_of(options) == "html,nfkc,space";
///   Cleaner cleaner{options, clean};                            // what a Predictor keeps
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/error.hpp>
#include <quern/base/parallel_for.hpp>

namespace quern::inline QUERN_ABI {

struct CleanOptions {
  bool html = false;      // tags become a space, entities their characters
  bool control = false;   // control characters and U+200B become a space, other zero-width ones go
  bool nfc = false;       // Unicode normalization form C: é is one character, however it was written
  bool nfkc = false;      // form KC: also ﬁ is fi, Ａ is A, ½ is 1⁄2
  bool urls = false;      // http://…, https://… and www.… become httpurl
  bool mentions = false;  // @someone becomes @user
  bool lower = false;     // small letters
  bool space = false;     // runs of white space become one space, none at the ends

  /// Calls f(name, member) for each, in the order of names_of.
  static void visit(auto&& f, auto& o) {
    f("html", o.html), f("control", o.control), f("nfc", o.nfc), f("nfkc", o.nfkc);
    f("urls", o.urls), f("mentions", o.mentions), f("lower", o.lower), f("space", o.space);
  }
  friend bool operator==(const CleanOptions&, const CleanOptions&) = default;
};

inline constexpr const char* clean_names =
    "html, control, nfc or nfkc, urls, mentions, lower, space; or default; or none";

/// From names separated by commas. "default" is html,control,nfc,space; "none" and "" are nothing. Throws Error.
inline CleanOptions clean_named(std::string_view names) {
  if (names.empty() || names == "none") return {};
  CleanOptions o;
  for (std::size_t begin = 0; begin <= names.size();) {
    const std::size_t end = std::min(names.find(',', begin), names.size());
    const std::string_view name = names.substr(begin, end - begin);
    begin = end + 1;
    bool known = name == "default";
    if (known) o.html = o.control = o.nfc = o.space = true;
    CleanOptions::visit([&](const char* other, bool& on) { on |= name == other, known |= name == other; }, o);
    check(known, "clean: '", name, "' is not known; expected names with commas between them: ", clean_names);
  }
  check(!(o.nfc && o.nfkc), "clean: nfc and nfkc are two forms of Unicode; give one of them");
  return o;
}

/// "html,control,nfc,space"; "none".
inline std::string names_of(const CleanOptions& options) {
  std::string out;
  CleanOptions::visit([&](const char* name, const bool& on) { out += on ? text_of(out.empty() ? "" : ",", name) : ""; },
                      options);
  return out.empty() ? "none" : out;
}

/// Options, and the function that carries them out: `clean` of text/clean.hpp.
struct Cleaner {
  CleanOptions options{};
  std::string (*clean)(std::string_view text, const CleanOptions& options) = nullptr;

  bool cleans() const { return options != CleanOptions{}; }

  std::vector<std::string> operator()(std::span<const std::string> texts) const {
    require(clean || !cleans(), "clean: ", names_of(options), " is asked for, but no function that does it");
    std::vector<std::string> out(texts.size());
    parallel_for(std::int64_t(texts.size()), 64, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = std::size_t(begin); i < std::size_t(end); ++i)
        out[i] = cleans() ? clean(texts[i], options) : texts[i];
    });
    return out;
  }
};

}  // namespace quern::inline QUERN_ABI
