/// WordPiece by itself; against goldens of tokenizers it is tested in tests/io/hugging_face_tokenizer.cpp.
#include <doctest/doctest.h>

#include <random>
#include <set>
#include <string>

#include <quern/text/wordpiece.hpp>

using namespace quern;

namespace {

const std::vector<std::string> small = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un",   "##aff", "##able", ",",
                                        "a",     "##b",   "中",    "film",  "cafe",   "##中", "##",    "#"};

std::string written(const std::string& bytes) {
  std::string path = "/tmp/quern-vocab-XXXXXX";
  const detail::Descriptor file(::mkstemp(path.data()));
  REQUIRE(::write(file.get(), bytes.data(), bytes.size()) == ssize_t(bytes.size()));
  return path;
}

/// What reading a vocabulary says, without its path.
std::string refused(const std::string& bytes) {
  const std::string path = written(bytes);
  std::string message = "accepted";
  try {
    WordPiece::from_vocab(path);
  } catch (const Error& e) { message = std::string(e.what()).substr(path.size()); }
  ::unlink(path.c_str());
  return message;
}

}  // namespace

TEST_CASE("wordpiece: the longest pieces from the left, with their places in the text") {
  const WordPiece wordpiece(small);
  const Pieces pieces = wordpiece.encode("Un\u0301affable, ÁB 中\xFFx [MASK]");
  CHECK(pieces.tokens ==
        std::vector<std::string>{"[CLS]", "un", "##aff", "##able", ",", "a", "##b", "中", "[UNK]", "[MASK]", "[SEP]"});
  const std::vector<PieceOffset> offsets = {{0, 0},   {0, 2},   {3, 6},   {6, 10},  {10, 11}, {12, 13},
                                            {13, 14}, {15, 16}, {17, 18}, {19, 25}, {0, 0}};
  CHECK(pieces.offsets == offsets);
  CHECK(wordpiece.ids("") == std::vector<std::int32_t>{2, 3});
  CHECK(wordpiece.ids("## #") == std::vector<std::int32_t>{2, 16, 16, 16, 3});
  CHECK(wordpiece.continues(6));
  CHECK_FALSE(wordpiece.continues(15));
  CHECK(wordpiece.id("film") == 12);
  CHECK(wordpiece.id("films") == -1);
  CHECK_THROWS_AS(wordpiece.token(17), InvalidArgument);
}

TEST_CASE("wordpiece: what a vocabulary must be") {
  const std::string five = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  CHECK(refused(five + "film\n") == "accepted");
  CHECK(refused(five + "film") == "accepted");
  CHECK(refused("[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\n") == "accepted");
  CHECK(refused("") == ": the file is empty; expected a vocabulary, one token a line");
  CHECK(refused(five + "film\n[SEP]\n") == ":7: '[SEP]' is already on line 4");
  CHECK(refused(five + "\nfilm\n") == ":6: expected one token, got an empty line");
  CHECK(refused(five + "fi\xFFlm\n").starts_with(":6: byte 33 is not UTF-8: 0xFF"));
  CHECK(refused("[PAD]\n[UNK]\n[CLS]\n[SEP]\n") ==
        ": the vocabulary has no token '[MASK]'; expected the special tokens [PAD] [UNK] [CLS] [SEP] [MASK] "
        "(tokenizer_config.json can name others)");
}

TEST_CASE("wordpiece: a saved vocabulary is read again") {
  const WordPiece wordpiece(small);
  const std::string path = written("");
  wordpiece.save_vocab(path);
  CHECK(WordPiece::read_vocab(path) == small);
  ::unlink(path.c_str());
}

TEST_CASE("wordpiece: cutting asks for what can be") {
  const WordPiece wordpiece(small);
  CHECK(wordpiece.encode("a b", {.max_tokens = 2}).ids == std::vector<std::int32_t>{2, 3});
  const EncodeOptions no_room = {.max_tokens = 3, .truncate = Truncate::only_second};
  CHECK(wordpiece.encode("a b", "a", no_room).ids == std::vector<std::int32_t>{2, 3, 3});
  CHECK_THROWS_AS(wordpiece.encode("a b", no_room), Error);
  CHECK_THROWS_WITH_AS(wordpiece.encode("a", {.max_tokens = 1}),
                       "encode: max_tokens is 1, but there are 2 special tokens", Error);
  CHECK_THROWS_AS(wordpiece.encode("a", {.max_tokens = -1}), InvalidArgument);
}

TEST_CASE("piece trie: finds what a set of pieces holds, and nothing else") {
  std::mt19937 random(1);
  const auto draw = [&](unsigned n) { return unsigned(random() % n); };
  std::set<std::string> set;
  std::vector<PieceTrie::Piece> starts;
  while (set.size() < 3000) {
    std::string piece;
    for (unsigned n = 1 + draw(6); n > 0; --n) piece += char(draw(8) == 0 ? draw(256) : 'a' + draw(6));
    if (set.insert(piece).second) starts.emplace_back(piece, std::int32_t(starts.size()));
  }
  const PieceTrie trie(starts, {{"b", 7}, {std::string(1, '\0'), 8}});
  const auto look = [&](PieceTrie::At at, const std::string& s) {
    for (const char c : s)
      if (!trie.next(at, static_cast<unsigned char>(c))) return -2;
    return at.id;
  };
  for (const auto& [piece, id] : starts) CHECK(look(trie.word(), piece) == id);
  CHECK(look(trie.continuation(), "b") == 7);
  CHECK(look(trie.continuation(), std::string(1, '\0')) == 8);
  CHECK(look(trie.continuation(), "a") == -2);
  int absent = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string s;
    for (unsigned n = 1 + draw(7); n > 0; --n) s += char(draw(4) == 0 ? draw(256) : 'a' + draw(6));
    if (set.contains(s)) continue;
    ++absent;
    CHECK(look(trie.word(), s) < 0);
  }
  CHECK(absent > 1000);
  PieceTrie::At at = PieceTrie().word();
  for (int c = 0; c < 256; ++c) CHECK_FALSE(PieceTrie().next(at = PieceTrie().word(), static_cast<unsigned char>(c)));
  CHECK_THROWS_AS(PieceTrie({{"a", 1}, {"a", 2}}, {}), InvalidArgument);
}

TEST_CASE("bert words: what is not UTF-8 becomes one U+FFFD for each longest beginning") {
  const auto parts = [](std::string_view text) {
    std::vector<int> sizes;
    for (std::size_t at = 0; at < text.size(); at += std::size_t(sizes.back()))
      sizes.push_back(code_point_or_part(text, at).bytes);
    return sizes;
  };
  CHECK(parts("\xE2\x82\x41") == std::vector<int>{2, 1});
  CHECK(parts("\xF0\x9F\x98") == std::vector<int>{3});
  CHECK(parts("\xE0\x80\x80") == std::vector<int>{1, 1, 1});
  CHECK(parts("\xED\xA0\x80") == std::vector<int>{1, 1, 1});
  CHECK(parts("\xF4\x90\x80\x80") == std::vector<int>{1, 1, 1, 1});
  CHECK(parts("\xC2\xC2\xA9") == std::vector<int>{1, 2});
}

TEST_CASE("bert words: a long run of marks takes no longer than it must") {
  std::string marks = "e";
  for (int i = 0; i < 200000; ++i) marks += i % 2 ? "\u0301" : "\u0316";
  int words = 0;
  BertWords({.strip_accents = true}).each(marks, [&](std::string_view word, std::span<const std::int32_t>) {
    CHECK(word == "e");
    ++words;
  });
  CHECK(words == 1);
}
