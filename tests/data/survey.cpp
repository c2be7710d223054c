#include <quern/data/survey.hpp>

#include <doctest/doctest.h>

#include <quern/data/class_weights.hpp>

#include "data/files.hpp"

using namespace quern;

namespace {

using Groups = std::vector<std::vector<std::int64_t>>;

Dataset dataset(std::vector<std::string> texts, std::vector<std::int32_t> labels) {
  Dataset data{std::move(texts), std::move(labels), {"neg", "pos"}, {}, "a.csv"};
  for (std::int64_t i = 0; i < data.size(); ++i) data.lines.push_back(i + 2);
  return data;
}

std::vector<std::int64_t> found(const Survey& s, std::string_view kind) {
  for (const auto& finding : s.findings)
    if (kind == finding.kind) return finding.texts;
  return {};
}

}  // namespace

TEST_CASE("survey: counts and lengths") {
  std::vector<std::string> texts;
  for (int i = 1; i <= 100; ++i) {
    std::string text = "é";
    for (int k = 1; k < i; ++k) text += " w" + std::to_string(k);
    texts.push_back(text);
  }
  std::vector<std::int32_t> labels(100, 0);
  labels[7] = 1;
  const Survey s = survey(dataset(texts, labels), Tokenizer::words());
  CHECK(s.counts == std::vector<std::int64_t>{99, 1});
  CHECK(s.tokens.mean == doctest::Approx(50.5));
  CHECK(s.tokens.least == 1);
  CHECK(s.tokens.p50 == 50);
  CHECK(s.tokens.p90 == 90);
  CHECK(s.tokens.p95 == 95);
  CHECK(s.tokens.p99 == 99);
  CHECK(s.tokens.most == 100);
  CHECK(s.tokens.longest == 99);
  CHECK(s.characters.least == 1);
  CHECK(s.characters.most == 1 + 9 * 3 + 90 * 4);
  CHECK(found(s, "nearly empty") == std::vector<std::int64_t>{0});
}

TEST_CASE("survey: the same text again, with the same label and with another") {
  const Survey s =
      survey(dataset({"A good film.", "bad", "a good film", "fine day", "Bad!!", "fine, day", "...", "!?", "bad"},
                     {1, 0, 1, 1, 1, 0, 0, 1, 0}),
             Tokenizer::characters());
  CHECK(s.duplicates == Groups{{1, 8}});
  CHECK(s.contradictions.empty());
  const Survey w =
      survey(dataset({"A good film.", "bad", "a good film", "fine day", "Bad", "fine day", "...", "..", "bad"},
                     {1, 0, 1, 1, 1, 0, 0, 1, 0}),
             Tokenizer::words());
  CHECK(w.duplicates == Groups{{0, 2}});
  CHECK(w.contradictions == Groups{{1, 4, 8}, {3, 5}});
  CHECK(w.repeated == 2);                                       // texts 2 and 8
  CHECK(found(w, "empty") == std::vector<std::int64_t>{6, 7});  // texts without tokens are no duplicates
}

TEST_CASE("survey: suspicious texts") {
  const Survey s = survey(dataset({"plain text of four words", "a b\x01", "a b \xC2\x96 c", "a b \xEF\xBF\xBD",
                                   "caf\xC3\x83\xC2\xA9 au lait", "it\xC3\xA2\xE2\x82\xAC\xE2\x84\xA2s so",
                                   "a <br /> b", "A&amp;B c", "one\ntwo", "1 < 2; 3 > 2 c"},
                                  std::vector<std::int32_t>(10, 0)),
                          Tokenizer::words());
  using At = std::vector<std::int64_t>;
  CHECK(found(s, "control characters") == At{1, 2});
  CHECK(found(s, "U+FFFD") == At{3});
  CHECK(found(s, "misread UTF-8") == At{4, 5});
  CHECK(found(s, "HTML") == At{6, 7});
  CHECK(found(s, "several lines") == At{8});
  CHECK(found(s, "very long").empty());
  std::string longest = "x";
  for (int i = 0; i < 200; ++i) longest += " y";
  const Survey l = survey(dataset({"a b c", longest, "d e f"}, {0, 0, 0}), Tokenizer::words());
  CHECK(found(l, "very long") == At{1});
  CHECK(survey(dataset({}, {}), Tokenizer::words()).findings.empty());
}

TEST_CASE("class weights: by default where classes are unbalanced, with the reason") {
  const std::vector<std::int64_t> even = {100, 120, 149}, odd = {100, 300}, with_none = {100, 0, 300};
  CHECK(class_weights(even, ClassWeighting::automatic).weights.empty());
  CHECK(holds(class_weights(even, ClassWeighting::automatic).reason, "class weights: none",
              "of like size (100 to 149 texts)"));
  const auto balanced = class_weights(odd, ClassWeighting::balanced).weights;
  CHECK(balanced == std::vector<double>{2, 2. / 3});
  const auto [root, reason] = class_weights(odd, ClassWeighting::root);
  CHECK(root[0] / root[1] == doctest::Approx(std::sqrt(3)));
  CHECK((100 * root[0] + 300 * root[1]) / 400 == doctest::Approx(1));
  const auto [chosen, why] = class_weights(odd, ClassWeighting::automatic);
  CHECK(chosen == root);
  CHECK(
      holds(why, "class weights: root, because the largest class has 3 times", "300 and 100", "--class-weights none"));
  CHECK(class_weights(std::vector<std::int64_t>{100, 150}, ClassWeighting::automatic).weights.size() == 2);
  const auto three = class_weights(with_none, ClassWeighting::balanced).weights;
  CHECK(three[0] == doctest::Approx(2));
  CHECK(three[1] == 1);
  CHECK(three[2] == doctest::Approx(2. / 3));
  CHECK(class_weights(odd, ClassWeighting::none).weights.empty());
  CHECK(class_weighting_named("balanced") == ClassWeighting::balanced);
  CHECK(class_weighting_named("auto") == ClassWeighting::automatic);
  CHECK(holds(error_of([] { class_weighting_named("some"); }), "'some'", "auto, balanced, root or none"));
}
