/// Which tokens are masked, how many, and by what; and running text in blocks.
#include <doctest/doctest.h>

#include <map>

#include <quern/data/encode_blocks.hpp>
#include <quern/data/mask_tokens.hpp>

using namespace quern;
using Numbers = std::vector<std::int32_t>;

namespace {

/// Five special tokens, a to j as ids 5 to 14, and ##a to ##e as 15 to 19.
const WordPiece& wordpiece() {
  static const WordPiece w = [] {
    std::vector<std::string> tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    for (char c = 'a'; c <= 'j'; ++c) tokens.push_back(std::string(1, c));
    for (char c = 'a'; c <= 'e'; ++c) tokens.push_back(std::string("##") + c);
    return WordPiece(tokens);
  }();
  return w;
}

/// `texts` times [CLS], `words` words of a first piece and one or two more, [SEP].
Batch words_of_pieces(std::int32_t texts, std::int32_t words) {
  std::vector<Numbers> all;
  for (std::int32_t t = 0; t < texts; ++t) {
    Numbers text = {2};
    for (std::int32_t w = 0; w < words; ++w) {
      text.push_back(5 + (t + w) % 10), text.push_back(15 + (t + w) % 5);
      if (w % 2) text.push_back(19);
    }
    text.push_back(3);
    all.push_back(text);
  }
  return pack(all);
}

Random at(std::uint32_t step) { return Random(7, Purpose::masking, step); }

}  // namespace

TEST_CASE("masking: the shares of Devlin et al., and special tokens never") {
  const Batch batch = words_of_pieces(100, 80);
  const Masking masking(wordpiece(), {.rate = 0.15});
  std::int64_t chosen = 0, masks = 0, same = 0, all = 0;
  for (std::uint32_t step = 0; step < 5; ++step) {
    const MaskedBatch m = masking(batch, at(step));
    REQUIRE(m.rows.size() == m.targets.size());
    std::int64_t k = 0;
    for (std::int64_t i = 0; i < batch.tokens(); ++i) {
      const auto was = batch.ids(i), is = m.batch.ids(i);
      if (k == m.rows.size() || m.rows(k) != i) {
        CHECK(is == was);
        continue;
      }
      CHECK(was >= 5);
      CHECK(m.targets(k++) == was);
      CHECK((is == 4 || is >= 5));
      masks += is == 4, same += is == was;
    }
    CHECK(k == m.rows.size());  // every row was met: they rise
    chosen += k, all += batch.tokens() - 2 * batch.texts();
  }
  CHECK(double(chosen) / double(all) == doctest::Approx(0.15).epsilon(0.03));
  CHECK(double(masks) / double(chosen) == doctest::Approx(0.8).epsilon(0.03));
  // A tenth stays, and of the tenth that becomes another token one in fifteen is the same by chance.
  CHECK(double(same) / double(chosen) == doctest::Approx(0.1 + 0.1 / 15).epsilon(0.1));
}

TEST_CASE("masking: an address gives the same masks again, another step others") {
  const Batch batch = words_of_pieces(3, 20);
  const Masking masking(wordpiece());
  const MaskedBatch a = masking(batch, at(1)), b = masking(batch, at(1)), c = masking(batch, at(2));
  CHECK(same_bits(a.batch.ids, b.batch.ids));
  CHECK(same_bits(a.rows, b.rows));
  CHECK_FALSE(same_bits(a.batch.ids, c.batch.ids));
  CHECK(batch.ids(1) == 5);  // what was given stays as it is
}

TEST_CASE("masking: whole words or none of their pieces") {
  const Batch batch = words_of_pieces(50, 40);
  const MaskedBatch m = Masking(wordpiece(), {.rate = 0.2, .whole_words = true})(batch, at(3));
  std::map<std::int64_t, bool> chosen;
  for (std::int64_t k = 0; k < m.rows.size(); ++k) chosen[m.rows(k)] = true;
  std::int64_t words = 0, of = 0;
  for (std::int64_t i = 0; i < batch.tokens(); ++i) {
    const auto id = batch.ids(i);
    if (id >= 15) CHECK(chosen.contains(i) == chosen.contains(i - 1));
    if (id >= 5 && id < 15) ++of, words += chosen.contains(i);
  }
  CHECK(double(words) / double(of) == doctest::Approx(0.2).epsilon(0.1));
}

TEST_CASE("masking: at least one token where there is one, and bad input") {
  const Masking rare(wordpiece(), {.rate = 1e-9});
  CHECK(rare(pack({{2, 5, 3}}), at(0)).rows.size() == 1);
  CHECK(rare(pack({{2, 5, 3}}), at(0)).targets(0) == 5);
  CHECK(rare(pack({{2, 1, 3}}), at(0)).rows.size() == 0);  // [UNK] is no word to be guessed
  CHECK_THROWS_WITH_AS(rare(pack({{2, 20, 3}}), at(0)), doctest::Contains("id 20 of 20"), InvalidArgument);
  CHECK_THROWS_AS(Masking(wordpiece(), {.rate = 0}), InvalidArgument);
  CHECK_THROWS_AS(Masking(wordpiece(), {.rate = 1}), InvalidArgument);
  CHECK_THROWS_AS(Masking(wordpiece(), {.mask_share = 0.8, .other_share = 0.3}), InvalidArgument);
  const WordPiece special({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"});
  CHECK_THROWS_AS(Masking{special}, InvalidArgument);
}

TEST_CASE("encode_blocks: nothing of a text is lost, and blocks are of like size") {
  const std::vector<std::string> texts = {"a b c d e f g", "", "h", "a b c"};
  const Encoded blocks = encode_blocks(texts, wordpiece(), 5);
  CHECK(blocks.offsets == std::vector<std::int64_t>{0, 4, 8, 13, 16, 21});  // 7 = 2 + 2 + 3, 1, 3
  CHECK(blocks.ids == Numbers{2, 5, 6, 3, 2, 7, 8, 3, 2, 9, 10, 11, 3, 2, 12, 3, 2, 5, 6, 7, 3});
  CHECK(blocks.cut == 1);
  CHECK(encode_blocks({}, wordpiece(), 5).size() == 0);
  CHECK_THROWS_AS(encode_blocks(texts, wordpiece(), 2), InvalidArgument);
}
