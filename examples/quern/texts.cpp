#include "texts.hpp"

#include "models.hpp"

using namespace quern;

namespace {
Vocabulary vocabulary_of(const Dataset& data, const std::vector<std::int64_t>& indices, const Tokenizer& tokenizer,
                         std::int64_t min_count, const Synonyms& synonyms) {
  TokenCounts counts;
  for (const auto i : indices)
    tokenizer.each(data.texts[std::size_t(i)], [&](std::string_view token) { counts.add(token); });
  synonyms.add_to(counts);
  return Vocabulary::of(counts, {.min_count = min_count});
}
}  // namespace

TextSide text_side(const TrainSettings& s, const Dataset& data, const std::vector<std::int64_t>& training) {
  TextSide side;
  if (s.model == "bert") {
    side.ids = pieces_of(s);
    return side;
  }
  const auto tokenizer = Tokenizer::named(s.tokenizer);
  if (!s.synonyms.empty()) side.synonyms = read_synonyms(s.synonyms, tokenizer);
  auto words = std::make_shared<const WordsToIds>(tokenizer,
                                                  vocabulary_of(data, training, tokenizer, s.min_count, side.synonyms));
  side.words = words.get();
  side.ids = std::move(words);
  return side;
}
