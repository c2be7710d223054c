/// WordPiece against goldens of Hugging Face's tokenizers (tests/goldens/make_wordpiece.py), and what its files may
/// hold.
#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <string>

#include <quern/io/hugging_face_tokenizer.hpp>

#include "data/files.hpp"

using namespace quern;

namespace {

using Json = nlohmann::ordered_json;

const Json& goldens() {
  static const Json all = [] {
    Json file = Json::parse(read_file(QUERN_SOURCE_DIR "/tests/goldens/wordpiece.json"));
    Json vocabulary = Json::object();
    for (const auto& token : file["vocabulary"]) vocabulary[token.get<std::string>()] = vocabulary.size();
    for (auto& tokenizer : file["tokenizers"]) tokenizer["model"]["vocab"] = vocabulary;
    return file;
  }();
  return all;
}

WordPiece golden_tokenizer(const std::string& name) {
  const TemporaryFolder folder;
  return load_wordpiece(folder.write("tokenizer.json", goldens()["tokenizers"][name].dump()));
}

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) bytes += char(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

Json offsets_of(const Pieces& pieces) {
  Json list = Json::array();
  for (const auto& at : pieces.offsets) list.push_back({at.begin, at.end});
  return list;
}

EncodeOptions options_of(const Json& golden, const WordPiece& wordpiece) {
  EncodeOptions options = wordpiece.defaults;
  if (golden.contains("special")) options.special = golden["special"].get<bool>();
  if (!golden.contains("max_tokens")) return options;
  const std::string truncate = golden["truncate"].get<std::string>();
  return {.max_tokens = golden["max_tokens"].get<std::int64_t>(),
          .truncate = truncate == "only_first"    ? Truncate::only_first
                      : truncate == "only_second" ? Truncate::only_second
                                                  : Truncate::longest_first,
          .from_left = golden["from_left"].get<bool>()};
}

PadOptions pad_options_of(const Json& settings) {
  return {.length = settings.value("length", 0),
          .multiple_of = settings.value("pad_to_multiple_of", 0),
          .left = settings.value("direction", "right") == "left",
          .type = settings.value("pad_type_id", 0)};
}

/// As fnv of make_wordpiece.py.
struct Hash {
  std::uint64_t h = 0xCBF29CE484222325;
  void add(std::string_view bytes) {
    for (const char c : bytes) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  }
  std::string hex() const {
    char text[24];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(h));
    return text;
  }
};

/// What loading a tokenizer.json says that is the uncased one with `change` made to it.
std::string refused(auto&& change) {
  Json file = goldens()["tokenizers"]["uncased"];
  change(file);
  const TemporaryFolder folder;
  try {
    load_wordpiece(folder.write("tokenizer.json", file.dump()));
  } catch (const Error& e) { return std::string(e.what()).substr(folder.path.size() + 1); }
  return "accepted";
}

}  // namespace

TEST_CASE("wordpiece: ids, tokens, offsets and types are those of tokenizers") {
  std::map<std::string, WordPiece> tokenizers;
  int cases = 0, refusals = 0;
  for (const Json& golden : goldens()["cases"]) {
    const auto name = golden["tokenizer"].get<std::string>();
    if (!tokenizers.contains(name)) tokenizers.emplace(name, golden_tokenizer(name));
    const WordPiece& wordpiece = tokenizers.at(name);
    const std::string text = from_hex(golden["text"].get<std::string>());
    const EncodeOptions options = options_of(golden, wordpiece);
    const auto encode = [&] {
      Pieces pieces = golden.contains("second")
                          ? wordpiece.encode(text, from_hex(golden["second"].get<std::string>()), options)
                          : wordpiece.encode(text, options);
      if (wordpiece.padding) pad({&pieces, 1}, *wordpiece.padding);
      return pieces;
    };
    CAPTURE(golden.dump());
    if (golden.contains("error")) {
      CHECK_THROWS_AS(encode(), Error);
      ++refusals;
      continue;
    }
    const Pieces pieces = encode();
    CHECK(Json(pieces.ids) == golden["ids"]);
    CHECK(Json(pieces.tokens) == golden["tokens"]);
    CHECK(offsets_of(pieces) == golden["offsets"]);
    CHECK(Json(pieces.types) == golden["types"]);
    CHECK(pieces.padding == golden["padding"].get<int>());
    if (!golden.contains("second") && options.special && options.max_tokens == 0)
      CHECK(Json(wordpiece.ids(text)) == golden["ids"]);
    ++cases;
  }
  CHECK(cases > 350);
  CHECK(refusals == 32);
}

TEST_CASE("wordpiece: batches are padded as tokenizers does") {
  const WordPiece wordpiece = golden_tokenizer("uncased");
  REQUIRE(goldens()["padded"].size() == 4);
  for (const Json& golden : goldens()["padded"]) {
    std::vector<Pieces> batch;
    for (const char* text : {"hello", "the film was not good", ""}) batch.push_back(wordpiece.encode(text));
    const Json& settings = golden["settings"];
    pad(batch, pad_options_of(settings));
    CAPTURE(settings.dump());
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(Json(batch[i].ids) == golden["ids"][i]);
      CHECK(Json(batch[i].tokens) == golden["tokens"][i]);
      CHECK(Json(batch[i].types) == golden["types"][i]);
      CHECK(offsets_of(batch[i]) == golden["offsets"][i]);
    }
  }
}

TEST_CASE("wordpiece: pairs at random are cut and padded as tokenizers does") {
  const WordPiece wordpiece = golden_tokenizer("uncased");
  const auto words = goldens()["pair_words"].get<std::vector<std::string>>();
  REQUIRE(goldens()["pairs"].size() == 24);
  std::uint64_t seed = 0;
  for (const Json& golden : goldens()["pairs"]) {
    std::uint64_t state = seed++;
    const auto draw = [&](std::uint64_t n) {
      state = state * 6364136223846793005 + 1442695040888963407;
      return (state >> 33) % n;
    };
    const auto draw_text = [&] {
      std::string text;
      for (std::uint64_t i = 0, n = draw(12); i < n; ++i) (text += i == 0 ? "" : " ") += words[draw(words.size())];
      return text;
    };
    CAPTURE(golden.dump());
    Hash all;
    for (int i = 0; i < 200; ++i) {
      const std::string first = draw_text(), second = draw_text();
      Json settings = golden;
      settings["max_tokens"] = draw(24) + 3;
      EncodeOptions options = options_of(settings, wordpiece);
      options.special = draw(8) > 0;
      Pieces pieces;
      try {
        pieces = wordpiece.encode(first, second, options);
      } catch (const Error&) {
        all.add("refused\n");
        continue;
      }
      const Json& padding = golden["padding"];
      if (!padding.is_null()) pad({&pieces, 1}, pad_options_of(padding));
      const bool left = !padding.is_null() && pad_options_of(padding).left;
      for (std::int64_t j = 0; j < pieces.size(); ++j) {
        const std::size_t k = std::size_t(j);
        const bool real = left ? j >= pieces.padding : j < pieces.size() - pieces.padding;
        all.add(text_of(pieces.ids[k], " ", pieces.tokens[k], " ", pieces.offsets[k].begin, " ", pieces.offsets[k].end,
                        " ", pieces.types[k], " ", int(real), "\n"));
      }
      all.add("\n");
    }
    CHECK(all.hex() == golden["hash"].get<std::string>());
  }
}

TEST_CASE("wordpiece: words and offsets around every character are those of tokenizers") {
  const BertWords on, off({.lowercase = false, .strip_accents = false, .chinese = false, .clean = false});
  const auto hash = [](const BertWords& words, const std::string& text) {
    Hash all;
    words.each(text, [&](std::string_view word, std::span<const std::int32_t> at) {
      all.add(text_of(word, "\n", at.front(), " ", at.back() + 1, "\n"));
    });
    return all.hex();
  };
  for (const Json& golden : goldens()["characters"]) {
    const auto first = golden[0].get<char32_t>();
    if (golden[1].get<std::string>().empty()) continue;  // surrogates alone
    std::string text;
    for (char32_t c = first; c < first + 0x1000; ++c) {
      if (c >= 0xD800 && c < 0xE000) continue;
      append_utf8(text += 'e', c);
      text += "\u0316\u0301 A ";
    }
    CAPTURE(std::uint32_t(first));
    CHECK(hash(on, text) == golden[1].get<std::string>());
    CHECK(hash(off, text) == golden[2].get<std::string>());
  }
}

TEST_CASE("wordpiece: a folder with vocab.txt, and what tokenizer_config.json adds to it") {
  const TemporaryFolder folder;
  folder.write("vocab.txt", "<pad>\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nfilm\nFilm\ncafé\ncafe\n中文\n");
  CHECK_THROWS_WITH_AS(load_wordpiece(folder.path), doctest::Contains("has no token '[PAD]'"), Error);
  folder.write("tokenizer_config.json", R"({"do_lower_case": false, "tokenize_chinese_chars": false, "pad_token":
      {"content": "<pad>", "lstrip": false}, "model_max_length": 512, "mask_token": null})");
  const WordPiece wordpiece = load_wordpiece(folder.path);
  CHECK(wordpiece.ids("Film film café 中文") == std::vector<std::int32_t>{2, 6, 5, 7, 9, 3});
  CHECK(wordpiece.pad_id() == 0);
  CHECK(wordpiece.options().max_tokens == 512);
  folder.write("tokenizer_config.json", R"({"pad_token": "<pad>", "strip_accents": false, "added_tokens_decoder": {
      "10": {"content": "<x>", "normalized": false}, "4": {"content": "[MASK]", "special": true}},
      "model_max_length": 1000000000000000019884624838656})");
  const WordPiece other = load_wordpiece(folder.path);
  CHECK(other.ids("FILM<x>café[MASK][CLS]") == std::vector<std::int32_t>{2, 5, 10, 7, 4, 1, 1, 1, 3});
  CHECK(other.size() == 11);
  CHECK(other.options().max_tokens == 0);
  CHECK(load_wordpiece(folder.path, {.cased = true}).ids("Film") == std::vector<std::int32_t>{2, 6, 3});
  folder.write("tokenizer_config.json", R"({"pad_token": "<pad>", "do_lower_case": "yes"})");
  CHECK_THROWS_WITH_AS(load_wordpiece(folder.path),
                       doctest::Contains("tokenizer_config.json: 'do_lower_case' is \"yes\", expected true or false"),
                       Error);
}

TEST_CASE("wordpiece: tokenizer_config.json goes before tokenizer.json") {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", goldens()["tokenizers"]["uncased"].dump());
  CHECK(load_wordpiece(folder.path).encode("Film É").tokens == std::vector<std::string>{"[CLS]", "film", "e", "[SEP]"});
  folder.write("tokenizer_config.json", R"({"do_lower_case": false, "strip_accents": null})");
  CHECK(load_wordpiece(folder.path).encode("Film É").tokens == std::vector<std::string>{"[CLS]", "Film", "É", "[SEP]"});
}

TEST_CASE("wordpiece: a tokenizer.json that is damaged or of another kind is refused") {
  CHECK(refused([](Json&) {}) == "accepted");
  CHECK(refused([](Json& f) { f["model"]["type"] = "Unigram"; }) ==
        "tokenizer.json: the model is Unigram; expected WordPiece");
  CHECK(refused([](Json& f) {
          f["normalizer"] = {{"type", "NFKC"}};
        }) == "tokenizer.json: the normalizer is NFKC; expected BertNormalizer or none");
  CHECK(refused([](Json& f) { f["pre_tokenizer"]["type"] = "ByteLevel"; }) ==
        "tokenizer.json: the pre-tokenizer is ByteLevel; expected BertPreTokenizer");
  CHECK(refused([](Json& f) { f["pre_tokenizer"] = nullptr; }) ==
        "tokenizer.json: the pre-tokenizer is none; expected BertPreTokenizer");
  CHECK(refused([](Json& f) { f["post_processor"]["type"] = "RobertaProcessing"; }) ==
        "tokenizer.json: the post-processor is RobertaProcessing; expected TemplateProcessing, BertProcessing or none");
  CHECK(refused([](Json& f) { f["post_processor"]["single"].erase(1); }) ==
        "tokenizer.json: 'single' of TemplateProcessing has 0 times text A and 0 times B; expected each once");
  CHECK(refused([](Json& f) {
          f["post_processor"]["special_tokens"]["[CLS]"]["ids"][0] = 999999;
        }).starts_with("tokenizer.json: a special token has id 999999, but there are "));
  CHECK(refused([](Json& f) { f["model"]["vocab"]["film"] = 3; }).ends_with(" have the same id 3"));
  CHECK(refused([](Json& f) {
          f["model"]["vocab"]["film"] = -1;
        }).starts_with("tokenizer.json: the token 'film' has id -1; expected 0 to "));
  CHECK(refused([](Json& f) { f["model"].erase("vocab"); }) ==
        "tokenizer.json: the model's 'vocab' is null; expected tokens with their ids");
  CHECK(refused([](Json& f) {
          f["added_tokens"][0]["content"] = "[pad]";
        }).starts_with("tokenizer.json: the added token '[pad]' has id 0; expected "));
  CHECK(refused([](Json& f) {
          f["model"]["unk_token"] = "<unk>";
        }).starts_with("tokenizer.json: the vocabulary has no token '<unk>'"));
  CHECK(refused([](Json& f) {
          f["truncation"] = {{"max_length", 9}, {"strategy", "Longest"}};
        }) == "tokenizer.json: the truncation strategy is Longest; expected LongestFirst, OnlyFirst or OnlySecond");
  CHECK(refused([](Json& f) { f["model"]["max_input_chars_per_word"] = 0; }) ==
        "tokenizer.json: the longest word is 0 characters; expected 1 to 10000");
}

TEST_CASE("wordpiece: files that are no tokenizer are refused") {
  const TemporaryFolder folder;
  const auto says = [&](const std::string& name, const std::string& bytes) -> std::string {
    const std::string path = folder.write(name, bytes);
    try {
      load_wordpiece(path);
    } catch (const Error& e) { return std::string(e.what()).substr(folder.path.size() + 1); }
    return "accepted";
  };
  const std::string whole = goldens()["tokenizers"]["uncased"].dump();
  CHECK(says("a.json", whole.substr(0, whole.size() / 2)).starts_with("a.json: not valid JSON: "));
  CHECK(says("a.json", "").starts_with("a.json: not valid JSON: "));
  CHECK(says("a.json", "[]") == "a.json: expected a JSON object with 'model', got array");
  CHECK(says("a.json", R"({"model": {"unk_token": "\ud800"}})").starts_with("a.json: not valid JSON: "));
  CHECK(says("a.json", R"({"model": {}, "model": {}})") == "a.json: 'model' is given twice");
  CHECK(says("a.json", "{}") == "a.json: the pre-tokenizer is none; expected BertPreTokenizer");
  CHECK_THROWS_WITH_AS(load_wordpiece(folder.path), doctest::Contains("has neither tokenizer.json nor vocab.txt"),
                       Error);
  CHECK_THROWS_AS(load_wordpiece(folder.path + "/none"), Error);
  CHECK(says("added_tokens.json", "{}") != "accepted");
  folder.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
  CHECK_THROWS_WITH_AS(load_wordpiece(folder.path), doctest::Contains("added_tokens.json: is read as a part"), Error);
}
