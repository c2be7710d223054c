/// Needs utf8proc (link utf8proc). How a WordPiece is made, which text/wordpiece.hpp includes: its vocabulary as a file
/// and as tries, its added tokens, its table of bytes.
///
///   #include <quern/text/wordpiece.hpp>
#pragma once
#include <quern/text/wordpiece.hpp>

namespace quern::inline QUERN_ABI {

inline WordPiece::WordPiece(std::vector<std::string> tokens, WordPieceOptions options,
                            std::optional<std::vector<AddedToken>> added, std::optional<Frame> frame,
                            const std::string& where)
    : options_(std::move(options)), words_(options_.words) {
  check(options_.longest_word >= 1 && options_.longest_word <= 10000, where, ": the longest word is ",
        options_.longest_word, " characters; expected 1 to 10000");
  check(!tokens.empty() && tokens.size() < std::size_t(1) << 24, where, ": ", tokens.size(),
        " tokens; expected 1 to 16 million");
  std::vector<PieceTrie::Piece> starts, continuations;
  const auto longest = std::size_t(options_.longest_word) * 4;  // in bytes: pieces beyond are in no word
  for (const auto& token : tokens) {
    const std::int32_t id = tokens_.size();
    check(!token.empty(), where, ": the token ", id, " is empty");
    check(first_invalid_utf8(token) == std::string::npos, where, ": the token ", id, " is not UTF-8");
    check(tokens_.add(token) == id, where, ": '", token, "' is there twice: tokens ", tokens_.find(token), " and ", id);
    if (token.size() <= longest) starts.emplace_back(token, id);
    if (token.starts_with(options_.prefix) && token.size() > options_.prefix.size() &&
        token.size() - options_.prefix.size() <= longest)
      continuations.emplace_back(token.substr(options_.prefix.size()), id);
  }
  trie_ = PieceTrie(std::move(starts), std::move(continuations));

  if (!added) {
    added.emplace();
    for (const auto* special : {&options_.pad, &options_.unk, &options_.cls, &options_.sep, &options_.mask})
      added->push_back({.content = *special, .id = special_id(*special, where)});
  }
  place_added(std::move(*added), where);
  pad_ = special_id(options_.pad, where), unk_ = special_id(options_.unk, where),
  cls_ = special_id(options_.cls, where);
  sep_ = special_id(options_.sep, where), mask_ = special_id(options_.mask, where);

  const Part start{Part::token, cls_, 0}, end{Part::token, sep_, 0};
  if (!frame)
    frame = Frame{{start, {Part::first_text}, end},
                  {start, {Part::first_text}, end, {Part::second_text, 0, 1}, {Part::token, sep_, 1}}};
  frame_ = std::move(*frame);
  for (const auto* parts : {&frame_.single, &frame_.pair})
    for (const auto& part : *parts)
      check(part.kind != Part::token || (part.id >= 0 && part.id < size()), where, ": a special token has id ", part.id,
            ", but there are ", size(), " tokens");
  classify_bytes();
}

/// Gives added tokens their places: ids after the vocabulary's, and what to look for in texts.
inline void WordPiece::place_added(std::vector<AddedToken> added, const std::string& where) {
  std::stable_sort(added.begin(), added.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  for (const auto& token : added) {
    check(!token.content.empty() && first_invalid_utf8(token.content) == std::string::npos, where, ": the added token ",
          token.id, " is empty or not UTF-8");
    const std::int32_t known = tokens_.find(token.content), expected = known >= 0 ? known : size();
    check(token.id == expected, where, ": the added token '", token.content, "' has id ", token.id, "; expected ",
          expected, known >= 0 ? ", as in the vocabulary" : ", the next after the vocabulary");
    tokens_.add(token.content);
  }
  std::stable_partition(added.begin(), added.end(), [](const auto& token) { return token.special; });
  std::vector<AddedToken> raw, normalized;
  for (auto& token : added) {
    if (token.normalized) {
      BertWords::Scratch scratch;
      words_.normalize(token.content, 0, scratch);
      token.content.clear();
      for (const auto& c : scratch.characters) append_utf8(token.content, c.value);
      check(!token.content.empty(), where, ": nothing is left of the added token ", token.id, " once it is normalized");
    }
    (token.normalized ? normalized : raw).push_back(std::move(token));
  }
  raw_ = AddedTokens(std::move(raw)), normalized_ = AddedTokens(std::move(normalized));
}

inline std::int32_t WordPiece::special_id(const std::string& token, const std::string& where) const {
  const std::int32_t found = id(token);
  check(found >= 0, where, ": the vocabulary has no token '", token, "'; expected the special tokens ", options_.pad,
        " ", options_.unk, " ", options_.cls, " ", options_.sep, " ", options_.mask,
        " (tokenizer_config.json can name others)");
  return found;
}

inline void WordPiece::classify_bytes() {
  const auto& characters = BertCharacters::table();
  for (std::size_t b = 0; b < 256; ++b) {
    const std::uint8_t of = b < 128 ? characters.of(char32_t(b)) : 0;
    const bool breaks = b == '\t' || b == '\n' || b == '\r';
    const bool dropped = options_.words.clean && (of & BertCharacters::removed) && !breaks;
    kind_[b] = b >= 128 || dropped                ? other
               : of & BertCharacters::space       ? space
               : of & BertCharacters::punctuation ? alone
                                                  : letter;
    const bool folds = options_.words.lowercase && b >= 'A' && b <= 'Z';
    folded_[b] = static_cast<unsigned char>(folds ? b + 32 : b);
    if (b >= 128) continue;
    auto at = trie_.word();
    alone_id_[b] = trie_.next(at, static_cast<unsigned char>(b)) && at.id >= 0 ? at.id : unk_;
  }
}

inline std::vector<std::string> WordPiece::read_vocab(const std::string& path) {
  const std::string bytes = read_file(path, std::size_t(1) << 30);
  check(!bytes.empty(), path, ": the file is empty; expected a vocabulary, one token a line");
  const std::size_t bad = first_invalid_utf8(bytes);
  if (bad != std::string::npos) detail::throw_not(Encoding::utf8, bytes, bad, path);
  std::vector<std::string> tokens;
  StringTable seen;
  for (std::size_t begin = 0; begin < bytes.size();) {
    const std::size_t end = std::min(bytes.find('\n', begin), bytes.size());
    std::string_view token(bytes.data() + begin, end - begin);
    if (token.ends_with('\r')) token.remove_suffix(1);
    const auto line = std::int64_t(tokens.size()) + 1;
    check(!token.empty(), path, ":", line, ": expected one token, got an empty line");
    check(seen.add(token) == std::int32_t(line - 1), path, ":", line, ": '", token.substr(0, 40),
          "' is already on line ", seen.find(token) + 1);
    tokens.emplace_back(token);
    begin = end + 1;
  }
  return tokens;
}

}  // namespace quern::inline QUERN_ABI
