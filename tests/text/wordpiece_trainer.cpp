/// A vocabulary learned from texts.
#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>

#include <quern/text/wordpiece.hpp>
#include <quern/text/wordpiece_trainer.hpp>

using namespace quern;

namespace {

/// The same by counting all pairs anew for every piece; gives the pieces after the alphabet. Ends before a piece that
/// is there already: which of its pairs comes first depends on how they are counted.
std::vector<std::string> pieces_by_counting_anew(const TokenCounts& counts, std::vector<std::string> tokens) {
  const auto number = [&](const std::string& token) {
    const auto found = std::find(tokens.begin(), tokens.end(), token);
    return found == tokens.end() ? -1 : std::int32_t(found - tokens.begin());
  };
  std::vector<std::vector<std::int32_t>> words;
  for (std::int32_t i = 0; i < counts.size(); ++i) {
    words.emplace_back();
    for (const char c : counts.token(i))
      words.back().push_back(number((words.back().empty() ? "" : "##") + std::string(1, c)));
  }
  const std::size_t before = tokens.size();
  for (;;) {
    std::map<std::pair<std::int32_t, std::int32_t>, std::int64_t> pairs;
    for (std::size_t w = 0; w < words.size(); ++w)
      for (std::size_t i = 1; i < words[w].size(); ++i)
        pairs[{words[w][i - 1], words[w][i]}] += counts.count(std::int32_t(w));
    if (pairs.empty()) break;
    const auto best = std::max_element(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second < b.second : a.first > b.first;
    });
    const auto [a, b] = best->first;
    const std::string piece = tokens[std::size_t(a)] + tokens[std::size_t(b)].substr(2);
    if (number(piece) >= 0) break;
    tokens.push_back(piece);
    for (auto& word : words)
      for (std::size_t i = 0; i + 1 < word.size(); ++i)
        if (word[i] == a && word[i + 1] == b) word[i] = number(piece), word.erase(word.begin() + std::ptrdiff_t(i) + 1);
  }
  return {tokens.begin() + std::ptrdiff_t(before), tokens.end()};
}

}  // namespace

TEST_CASE("train_wordpiece: the pieces that counting all pairs anew gives") {
  std::mt19937 random(3);
  std::size_t compared = 0;
  for (int round = 0; round < 30; ++round) {
    TokenCounts words;
    for (int i = 0; i < 40; ++i) {
      std::string word;
      for (auto n = 1 + random() % 7; n > 0; --n) word += char('a' + random() % (4 + round % 10));
      words.add(word, std::int64_t(1 + random() % 4));
    }
    const auto all = train_wordpiece(words, {.size = 10000, .min_frequency = 1});
    std::size_t characters = 5;
    while (characters < all.size() && all[characters].size() == (all[characters].starts_with("##") ? 3 : 1))
      ++characters;
    const auto expected = pieces_by_counting_anew(words, {all.begin(), all.begin() + std::ptrdiff_t(characters)});
    REQUIRE(all.size() >= characters + expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(all[characters + i] == expected[i]);
    compared += expected.size();
  }
  CHECK(compared > 300);
}

TEST_CASE("train_wordpiece: the most frequent pairs become pieces") {
  // h u g 10, p u g 5, p u n 12, b u n 4, h u g s 5: the example that many courses work through.
  TokenCounts words;
  words.add("hug", 10), words.add("pug", 5), words.add("pun", 12), words.add("bun", 4), words.add("hugs", 5);
  const auto tokens = train_wordpiece(words, {.size = 19});
  const std::vector<std::string> expected = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "b",   "g",
                                             "h",     "n",     "p",     "s",     "u",      "##u", "##n",
                                             "##g",   "##s",   "##ug",  "##un",  "hug"};
  // ##u ##g: 20; ##u ##n: 16; h ##ug: 15.
  CHECK(tokens == expected);
  CHECK(train_wordpiece(words, {.size = 100, .min_frequency = 16}).back() == "##un");
  CHECK(train_wordpiece(words, {.size = 100, .min_frequency = 1}).back() == "bun");  // nothing is left to merge
  const WordPiece wordpiece(tokens);
  CHECK(wordpiece.encode("hugs bug xug").tokens ==
        std::vector<std::string>{"[CLS]", "hug", "##s", "b", "##ug", "[UNK]", "[SEP]"});
}

TEST_CASE("train_wordpiece: neighbours that are the same") {
  TokenCounts words;
  words.add("aaaa", 5), words.add("baaaa", 5), words.add("aab", 1);
  // ##a ##a: 5 · 2 + 5 · 3, then what is left of it.
  const auto tokens = train_wordpiece(words, {.size = 100, .special = {}});
  CHECK(std::vector<std::string>(tokens.begin(), tokens.begin() + 5) ==
        std::vector<std::string>{"a", "b", "##a", "##b", "##aa"});
  CHECK(std::find(tokens.begin(), tokens.end(), "baaaa") != tokens.end());
  CHECK(std::find(tokens.begin(), tokens.end(), "aaaa") != tokens.end());
}

TEST_CASE("train_wordpiece: the alphabet keeps the most frequent characters") {
  TokenCounts words;
  words.add("ab", 5), words.add("cb", 1);
  CHECK(train_wordpiece(words, {.size = 7, .alphabet = 2, .special = {}}) ==
        std::vector<std::string>{"a", "b", "##b", "ab"});
  CHECK_THROWS_WITH_AS(train_wordpiece(words, {.size = 3}), doctest::Contains("raise size or lower alphabet"), Error);
  CHECK_THROWS_AS(train_wordpiece(words, {.size = 0}), InvalidArgument);
  CHECK_THROWS_AS(train_wordpiece(TokenCounts()), Error);
}

TEST_CASE("train_wordpiece: words are counted as BERT cuts them, and their order changes nothing") {
  const std::vector<std::string> texts = {"The café, the CAFE\u0301!", "中文 the\u200b"};
  const TokenCounts words = count_bert_words(texts);
  CHECK(words.size() == 6);
  std::string all;
  for (std::int32_t i = 0; i < words.size(); ++i) all += text_of(words.token(i), ":", words.count(i), " ");
  CHECK(all == "the:3 cafe:2 ,:1 !:1 中:1 文:1 ");
  const std::vector<std::string> turned = {texts[1], texts[0]};
  CHECK(train_wordpiece(words, {.size = 40}) == train_wordpiece(count_bert_words(turned), {.size = 40}));
}
