#include <quern/data/encode.hpp>

#include <algorithm>

#include <doctest/doctest.h>

#include "data/files.hpp"

using namespace quern;

TEST_CASE("texts become ids, an empty one <unk>, a long one is cut and counted") {
  const std::vector<std::string> texts = {"a b unseen", " … ", "b a b a b", "a"};
  const std::vector<std::int32_t> labels = {1, 0, 0, 1};
  const auto vocabulary = Vocabulary::of({"a a b"}, Tokenizer::words());  // a: 1, b: 2
  const Encoded all = encode(texts, Tokenizer::words(), vocabulary, labels);
  CHECK(all.ids == std::vector<std::int32_t>{1, 2, 0, 0, 2, 1, 2, 1, 2, 1});
  CHECK(all.offsets == std::vector<std::int64_t>{0, 3, 4, 9, 10});
  CHECK(all.labels == labels);
  CHECK(all.cut == 0);
  CHECK(all.size() == 4);
  CHECK(all.length(2) == 5);
  CHECK(all.text(2)[1] == 1);
  const Encoded cut = encode(texts, Tokenizer::words(), vocabulary, {}, 3);
  CHECK(cut.ids == std::vector<std::int32_t>{1, 2, 0, 0, 2, 1, 2, 1});
  CHECK(cut.offsets == std::vector<std::int64_t>{0, 3, 4, 7, 8});
  CHECK(cut.cut == 1);
  CHECK(cut.labels.empty());
  CHECK(encode({}, Tokenizer::words(), vocabulary).size() == 0);
}

TEST_CASE("the number of threads changes nothing") {
  std::vector<std::string> texts;
  for (int i = 0; i < 3000; ++i) texts.push_back(i % 7 ? text_of("word", i % 91, " and word", i % 13) : "");
  const auto vocabulary = Vocabulary::of(texts, Tokenizer::words(), {.min_count = 40});
  const int before = threads();
  set_threads(1);
  const Encoded one = encode(texts, Tokenizer::words(), vocabulary);
  for (const int n : {2, 5}) {
    set_threads(n);
    const Encoded many = encode(texts, Tokenizer::words(), vocabulary);
    CHECK(many.ids == one.ids);
    CHECK(many.offsets == one.offsets);
  }
  set_threads(before);
  REQUIRE(one.size() == 3000);
  for (std::int64_t i = 0; i < one.size(); ++i) {
    const Encoded alone = encode(std::span(texts).subspan(std::size_t(i), 1), Tokenizer::words(), vocabulary);
    REQUIRE(std::ranges::equal(one.text(i), alone.ids));
  }
}

TEST_CASE("mistakes of the caller") {
  const std::vector<std::string> texts = {"a", "b"};
  const std::vector<std::int32_t> labels = {1};
  CHECK(holds(error_of<InvalidArgument>([&] { encode(texts, Tokenizer::words(), {}, labels); }),
              "2 texts, but 1 labels"));
  CHECK(holds(error_of<InvalidArgument>([&] { encode(texts, Tokenizer::words(), {}, {}, -1); }), "max_tokens -1"));
}
