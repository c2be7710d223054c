#include <quern/data/augment.hpp>

#include <doctest/doctest.h>

#include "data/files.hpp"

using namespace quern;

namespace {

const std::vector<std::string> sentences = {"a good film with a fine cast", "bad", "no synonym here at all today",
                                            "a very good very bad film with a good cast and a bad plot"};
const std::vector<std::int32_t> labels = {1, 0, 0, 1};

Synonyms synonyms_of(std::string_view list, const Tokenizer& tokenizer = Tokenizer::words()) {
  const TemporaryFolder folder;
  return read_synonyms(folder.write("list.tsv", list), tokenizer);
}

/// A vocabulary, texts and synonyms of it.
struct Words {
  Synonyms synonyms;
  Vocabulary vocabulary;
  Encoded texts;
  SynonymIds ids;

  explicit Words(std::string_view list, const Tokenizer& tokenizer = Tokenizer::words(),
                 const std::vector<std::string>& from = sentences) {
    TokenCounts counts = count_tokens(from, tokenizer);
    if (!list.empty()) synonyms = synonyms_of(list, tokenizer), synonyms.add_to(counts);
    vocabulary = Vocabulary::of(counts);
    texts = encode(from, tokenizer, vocabulary, from.size() == labels.size() ? labels : std::vector<std::int32_t>());
    ids = SynonymIds(synonyms, vocabulary);
  }
  std::string text(std::span<const std::int32_t> tokens) const {
    std::string out;
    for (const auto id : tokens) out += (out.empty() ? "" : " ") + vocabulary.token(id);
    return out;
  }
};

const char* const list = "good\tfine, great\nfilm\tmotion picture\nbad\tawful\n";

std::vector<std::string> sorted_tokens(const Words& w, std::span<const std::int32_t> ids) {
  std::vector<std::string> out;
  for (const auto id : ids) out.push_back(w.vocabulary.token(id));
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

TEST_CASE("synonyms: the list is read as tokens; its errors name file and line") {
  const Synonyms s = synonyms_of("Good\tfine,great\n\nfilm\tmotion picture\ngood\tsuperb,good\nat all\tentirely\n");
  REQUIRE(s.words.size() == 2);
  CHECK(s.of[0] == std::vector<std::vector<std::string>>{{"fine"}, {"great"}, {"superb"}});
  CHECK(s.of[1] == std::vector<std::vector<std::string>>{{"motion", "picture"}});
  CHECK(s.passed_over == 1);
  const auto error = [](std::string_view bytes) { return error_of([&] { synonyms_of(bytes); }); };
  CHECK(holds(error("a\tb\nno tab\n"), "list.tsv:2: expected a word, a tab, and synonyms", "'no tab'"));
  CHECK(holds(error("a\t\n"), "list.tsv:1: expected"));
  CHECK(holds(error("a\tb,,c\n"), "list.tsv:1: expected"));
  CHECK(holds(error("\tb\n"), "list.tsv:1: expected"));
  CHECK(holds(error("\n"), "holds no synonyms"));
  CHECK(holds(error("a\t\xE9\n"), "list.tsv:1: byte 2 is not UTF-8"));
}

TEST_CASE("synonyms: those of counted words find a place in the vocabulary") {
  const Words w(list);
  CHECK(w.vocabulary.contains("great"));
  CHECK(w.vocabulary.contains("picture"));
  CHECK(w.ids.words() == 3);
  CHECK(w.ids.of(w.vocabulary.id("good")).size() == 2);
  CHECK(w.ids.of(w.vocabulary.id("cast")).empty());
  const Words more("good\tfine\nabsent\tgone\n");
  CHECK(!more.vocabulary.contains("gone"));
  CHECK(more.ids.words() == 1);
}

TEST_CASE("each change does its own to a text") {
  const Words w(list);
  const auto ids = w.texts.text(3);
  const detail::TokenIds text(ids.begin(), ids.end());
  const Random random(1, Purpose::augment, 0);
  for (std::uint32_t number = 0; number < 200; ++number) {
    detail::Draws draws{random, number, 0};
    const auto swapped = detail::swap_tokens(text, 1, draws);
    int moved = 0;
    for (std::size_t i = 0; i < text.size(); ++i) moved += swapped[i] != text[i];
    CHECK((moved == 2 || moved == 0));  // 0: two equal words
    CHECK(sorted_tokens(w, swapped) == sorted_tokens(w, text));

    const auto fewer = detail::delete_tokens(text, 0.3, draws);
    CHECK(!fewer.empty());
    std::size_t at = 0;
    for (const auto id : fewer) {
      while (at < text.size() && text[at] != id) ++at;
      REQUIRE(at < text.size());
      ++at;
    }

    const auto replaced = detail::replace_by_synonyms(text, 2, w.ids, draws);
    CHECK(replaced != text);
    CHECK(replaced.size() >= text.size());
    const auto inserted = detail::insert_synonyms(text, 2, w.ids, draws);
    CHECK(inserted.size() >= text.size() + 2);
    at = 0;  // the text is still in it, in order
    for (const auto id : inserted) at += at < text.size() && text[at] == id;
    CHECK(at == text.size());
  }
  detail::Draws draws{random, 0, 0};
  CHECK(detail::delete_tokens(text, 1, draws).size() == 1);
  double kept = 0;
  for (std::uint32_t number = 0; number < 2000; ++number) {
    detail::Draws more{random, number, 0};
    kept += double(detail::delete_tokens(text, 0.3, more).size()) / double(text.size()) / 2000;
  }
  CHECK(kept == doctest::Approx(0.7).epsilon(0.02));
}

TEST_CASE("the copies of an epoch: originals first, labels kept, same for any number of threads, other in the next") {
  const Words w(list);
  std::vector<std::int64_t> train = {3, 0, 2};
  const AugmentOptions options{.copies = 8, .rate = 0.2};
  const Encoded more = augment(w.texts, train, options, w.ids, 7, 2);
  REQUIRE(more.size() == 27);
  for (std::int64_t k = 0; k < 27; ++k)
    CHECK(more.labels[std::size_t(k)] == labels[std::size_t(train[std::size_t(k % 3)])]);
  for (std::int64_t k = 0; k < 3; ++k) CHECK(w.text(more.text(k)) == w.text(w.texts.text(train[std::size_t(k)])));
  int equal = 0;
  for (std::int64_t k = 3; k < 27; ++k) equal += w.text(more.text(k)) == w.text(more.text(k % 3));
  CHECK(equal < 4);
  const int before = threads();
  set_threads(1);
  const Encoded one = augment(w.texts, train, options, w.ids, 7, 2);
  set_threads(4);
  const Encoded four = augment(w.texts, train, options, w.ids, 7, 2);
  set_threads(before);
  CHECK((one.ids == more.ids && one.offsets == more.offsets));
  CHECK((four.ids == more.ids && four.offsets == more.offsets));
  CHECK(augment(w.texts, train, options, w.ids, 7, 3).ids != more.ids);
  CHECK(augment(w.texts, train, options, w.ids, 8, 2).ids != more.ids);
  // A text's copies do not depend on which others are trained on.
  const std::vector<std::int64_t> alone = {0};
  const Encoded of_one = augment(w.texts, alone, options, w.ids, 7, 2);
  for (std::int64_t copy = 0; copy <= 8; ++copy) CHECK(w.text(of_one.text(copy)) == w.text(more.text(copy * 3 + 1)));
  CHECK(augment(w.texts, train, {.copies = 0}, w.ids, 7, 2).size() == 3);
}

TEST_CASE("all four changes come about; without synonyms two") {
  const Words w(list), plain("");
  const Random random(3, Purpose::augment, 1);
  const auto kinds = [&](const Words& words, std::uint32_t text) {
    std::int64_t longer = 0, shorter = 0, fresh = 0;
    const auto ids = words.texts.text(text);
    const auto known = sorted_tokens(words, ids);
    for (std::int64_t copy = 0; copy < 40; ++copy) {
      const auto out = augmented(ids, {.rate = 0.3}, words.ids, random, text, copy);
      longer += out.size() > ids.size(), shorter += out.size() < ids.size();
      bool is_new = false;
      for (const auto& token : sorted_tokens(words, out))
        is_new |= !std::binary_search(known.begin(), known.end(), token);
      fresh += is_new;
    }
    return std::vector<bool>{longer > 0, shorter > 0, fresh > 0};
  };
  CHECK(kinds(w, 3) == std::vector<bool>{true, true, true});
  CHECK(kinds(w, 2) == std::vector<bool>{false, true, false});  // none of its words has a synonym
  CHECK(kinds(plain, 3) == std::vector<bool>{false, true, false});
  CHECK(plain.text(augmented(plain.texts.text(1), {}, {}, random, 1, 0)) == "bad");
}

TEST_CASE("characters are tokens like others") {
  const std::vector<std::string> reviews = {"味道很好，送餐也快", "不好吃"};
  const Words w("好\t棒\n好吃\t美味\n", Tokenizer::characters(), reviews);
  CHECK(w.synonyms.passed_over == 1);  // two characters
  CHECK(w.ids.words() == 1);
  const std::vector<std::int64_t> all = {0, 1};
  const Encoded more = augment(w.texts, all, {.copies = 20, .rate = 0.2}, w.ids, 1, 0);
  int with_synonym = 0;
  for (std::int64_t k = 2; k < more.size(); ++k) with_synonym += holds(w.text(more.text(k)), "棒");
  CHECK(with_synonym > 5);
}

TEST_CASE("wrong calls") {
  const Words w(list);
  const std::vector<std::int64_t> train = {0, 4};
  CHECK(holds(error_of<InvalidArgument>([&] { augment(w.texts, train, {.copies = 1}, w.ids, 1, 0); }), "text 4 of 4"));
  const std::vector<std::int64_t> first = {0};
  CHECK(holds(error_of<InvalidArgument>([&] { augment(w.texts, first, {.copies = -1}, w.ids, 1, 0); }), "copies -1"));
  CHECK(holds(error_of<InvalidArgument>([&] { augment(w.texts, first, {.copies = 1, .rate = 1.5}, w.ids, 1, 0); }),
              "rate 1.5"));
}
