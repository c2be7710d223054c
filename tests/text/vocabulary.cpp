#include <quern/text/vocabulary.hpp>

#include <doctest/doctest.h>

#include "data/files.hpp"

using namespace quern;

namespace {
const std::vector<std::string> texts = {"b a c a", "a b d", "é b e"};
std::string tokens(const Vocabulary& v) {
  std::string out;
  for (std::int32_t i = 0; i < v.size(); ++i) out += v.token(i) + " ";
  return out;
}
}  // namespace

TEST_CASE("ids go by count, then by bytes") {
  const auto v = Vocabulary::of(texts, Tokenizer::words());
  CHECK(tokens(v) == "<unk> a b c d e é ");
  for (std::int32_t i = 0; i < v.size(); ++i) CHECK(v.id(v.token(i)) == i);
  CHECK(v.id("nothing") == 0);
  CHECK(v.id("") == 0);
  CHECK(v.contains("a"));
  CHECK(!v.contains("A"));
  const std::vector<std::string> other_order = {texts[2], texts[0], texts[1]};
  CHECK(Vocabulary::of(other_order, Tokenizer::words()) == v);
  CHECK(text_of(v) == "7 tokens: <unk> a b c d e …");
  CHECK(holds(error_of<InvalidArgument>([&] { v.token(7); }), "id 7 of 7"));
}

TEST_CASE("min_count and max_size") {
  CHECK(tokens(Vocabulary::of(texts, Tokenizer::words(), {.min_count = 2})) == "<unk> a b ");
  CHECK(tokens(Vocabulary::of(texts, Tokenizer::words(), {.max_size = 4})) == "<unk> a b c ");
  CHECK(tokens(Vocabulary::of(texts, Tokenizer::words(), {.max_size = 1})) == "<unk> ");
  CHECK(tokens(Vocabulary::of({}, Tokenizer::words())) == "<unk> ");
  CHECK(holds(error_of<InvalidArgument>([] { Vocabulary::of(texts, Tokenizer::words(), {.min_count = 0}); }),
              "min_count 0"));
}

TEST_CASE("counts add up, and <unk> itself takes no second place") {
  TokenCounts counts;
  counts.add("x", 2);
  counts.add("<unk>", 9);
  counts.add("y");
  counts.add("x");
  CHECK(counts.size() == 3);
  CHECK(counts.count(0) == 3);
  CHECK(tokens(Vocabulary::of(counts)) == "<unk> x y ");
  CHECK(tokens(Vocabulary::of(counts, {.max_size = 2})) == "<unk> x ");
}

TEST_CASE("many tokens keep their ids, also in a copy") {
  TokenCounts counts;
  for (int i = 0; i < 50'000; ++i) counts.add(text_of("token", i), 50'000 - i);
  const auto v = Vocabulary::of(counts);
  const Vocabulary copy = v;
  int wrong = 0;
  for (int i = 0; i < 50'000; ++i) wrong += copy.id(text_of("token", i)) != i + 1;
  CHECK(wrong == 0);
}

TEST_CASE("save and load") {
  const TemporaryFolder folder;
  const auto v = Vocabulary::of(texts, Tokenizer::words());
  v.save(folder / "v.txt");
  CHECK(read_file(folder / "v.txt") == "<unk>\na\nb\nc\nd\ne\né\n");
  CHECK(Vocabulary::load(folder / "v.txt") == v);
  Vocabulary().save(folder / "v.txt");
  CHECK(Vocabulary::load(folder / "v.txt").size() == 1);
}

TEST_CASE("a broken vocabulary file is an error with its line") {
  const TemporaryFolder folder;
  const auto load = [&](std::string_view bytes) {
    return error_of([&] { Vocabulary::load(folder.write("v.txt", bytes)); });
  };
  CHECK(holds(load(""), "v.txt: the file is empty"));
  CHECK(holds(load("a\nb\n"), "v.txt:1: expected <unk>, got 'a'"));
  CHECK(holds(load("<unk>\na\nb\na\n"), "v.txt:4: 'a' is already on line 2"));
  CHECK(holds(load("<unk>\na\n<unk>\n"), "v.txt:3: '<unk>' is already on line 1"));
  CHECK(holds(load("<unk>\na\n\nb\n"), "v.txt:3:", "empty line"));
  CHECK(holds(load("<unk>\na\r\n"), "v.txt:2:", "\\r"));
  CHECK(holds(load("<unk>\na\nb"), "v.txt:3:", "truncated"));
  CHECK(holds(load("<unk>\na\ncaf\xE9\n"), "v.txt:3:", "not UTF-8"));
  CHECK(holds(error_of([&] { Vocabulary::load(folder / "none"); }), "none", "No such file"));
}
