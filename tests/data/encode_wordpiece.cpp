/// Texts and pairs as BERT's pieces.
#include <doctest/doctest.h>

#include <quern/data/encode_wordpiece.hpp>

using namespace quern;
using Ids = std::vector<std::int32_t>;

namespace {
const WordPiece& wordpiece() {
  static const WordPiece w({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c"});
  return w;
}
}  // namespace

TEST_CASE("encode: texts as pieces, cut with their frame") {
  const std::vector<std::string> texts = {"a b c", "", "x"};
  const Ids labels = {1, 0, 1};
  const Encoded all = encode(texts, wordpiece(), labels);
  CHECK(all.ids == Ids{2, 5, 6, 7, 3, 2, 3, 2, 1, 3});
  CHECK(all.offsets == std::vector<std::int64_t>{0, 5, 7, 10});
  CHECK(all.labels == labels);
  CHECK(all.types.empty());
  CHECK(all.cut == 0);
  const Encoded few = encode(texts, wordpiece(), labels, 4);
  CHECK(few.ids == Ids{2, 5, 6, 3, 2, 3, 2, 1, 3});
  CHECK(few.cut == 1);
  CHECK_THROWS_AS(encode(texts, wordpiece(), labels, 2), InvalidArgument);
  CHECK_THROWS_AS(encode(texts, wordpiece(), Ids{1}), InvalidArgument);
}

TEST_CASE("encode: pairs with their types") {
  const std::vector<std::string> first = {"a", "a b c a"}, second = {"b c", "b"};
  const Encoded all = encode(first, second, wordpiece());
  CHECK(all.ids == Ids{2, 5, 3, 6, 7, 3, 2, 5, 6, 7, 5, 3, 6, 3});
  CHECK(all.types == Ids{0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1});
  const Encoded few = encode(first, second, wordpiece(), {}, 6);
  CHECK(few.text(1).size() == 6);
  CHECK(Ids(few.text(1).begin(), few.text(1).end()) == Ids{2, 5, 6, 3, 6, 3});
  CHECK(few.cut == 1);
  CHECK_THROWS_AS(encode(first, std::vector<std::string>{"b"}, wordpiece()), InvalidArgument);
}

TEST_CASE("encode: the number of threads changes nothing") {
  std::vector<std::string> texts;
  for (int i = 0; i < 1500; ++i) texts.push_back(std::string(std::size_t(i % 7), 'a') + " b c");
  const int before = threads();
  set_threads(1);
  const Encoded one = encode(texts, wordpiece(), {}, 5);
  set_threads(3);
  const Encoded three = encode(texts, wordpiece(), {}, 5);
  set_threads(before);
  CHECK(one.ids == three.ids);
  CHECK(one.offsets == three.offsets);
}
