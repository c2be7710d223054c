/// The encoder that comes with Quern: what is in its folder fits together, and it has learned something.
#include <quern/io/hugging_face.hpp>
#include <quern/io/hugging_face_tokenizer.hpp>

#include <doctest/doctest.h>

#include <algorithm>

using namespace quern;

namespace {

const std::string folder = QUERN_SOURCE_DIR "/examples/encoder_en";

/// The `n` words that the model holds most likely in the place of [MASK].
std::vector<std::string> best_guesses(const std::string& text, std::size_t n) {
  static const auto loaded = load_bert_masked_lm(folder);
  static const WordPiece wordpiece = load_wordpiece(folder);
  const auto ids = wordpiece.ids(text);
  std::int32_t place = 0;
  while (ids[std::size_t(place)] != wordpiece.mask_id()) ++place;
  const auto scores = loaded.model(pack({ids}), Ids::of({1}, {place}));
  std::vector<std::int32_t> order(std::size_t(scores.extent(1)));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = std::int32_t(i);
  std::partial_sort(order.begin(), order.begin() + std::ptrdiff_t(n), order.end(),
                    [&](std::int32_t a, std::int32_t b) { return scores(0, a) > scores(0, b); });
  std::vector<std::string> words;
  for (std::size_t i = 0; i < n; ++i) words.push_back(wordpiece.token(order[i]));
  return words;
}

bool holds(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

TEST_CASE("examples/encoder_en: guesses words by their context") {
  const auto verdict = best_guesses("this is one of the [MASK] movies i have ever seen.", 5);
  CAPTURE(verdict);
  CHECK(holds(verdict, "best"));
  CHECK(holds(verdict, "worst"));
  CHECK(holds(best_guesses("i have never [MASK] such a bad film.", 3), "seen"));
  CHECK(holds(best_guesses("the [MASK] is great and the story is good too.", 10), "acting"));
}
