/// The code of docs/tokenizers.md.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include <quern/data/encode_wordpiece.hpp>
#include <quern/io/hugging_face_tokenizer.hpp>
#include <quern/text/wordpiece_trainer.hpp>

using namespace quern;

TEST_CASE("the page of the tokenizers") {
  std::string folder = (std::filesystem::temp_directory_path() / "quern_docs_XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  const std::vector<std::string> texts = {"an unaffable film, a film", "a fable of an affable man", "the film"};

  // snippet: tokenizers-train
  const TokenCounts words = count_bert_words(texts);  // as BERT cuts texts: small letters, no accents
  const WordPiece trained(train_wordpiece(words, {.size = 50, .min_frequency = 2}));
  trained.save_vocab(folder + "/vocab.txt");  // [PAD] [UNK] [CLS] [SEP] [MASK], characters, then pieces
  // end
  CHECK(trained.id("film") > 0);

  // snippet: tokenizers-load
  const WordPiece wordpiece = load_wordpiece(folder);  // tokenizer.json, or vocab.txt; with tokenizer_config.json
  const Pieces pieces = wordpiece.encode("A Film?", "Affable!", {.max_tokens = 12});
  // with the small vocabulary made below: [CLS] a film [UNK] [SEP] a ##ffable [UNK] [SEP], types: 0 0 0 0 0 1 1 1 1
  const PieceOffset film = pieces.offsets[2];             // {2, 6}: characters of the text
  const auto ids = wordpiece.ids("A Film?");              // the ids alone: several times as fast
  const Encoded all = encode(texts, wordpiece, {}, 128);  // a data set, packed, on all threads
  // end
  std::string seen;
  for (std::size_t i = 0; i < pieces.ids.size(); ++i) seen += text_of(pieces.tokens[i], "/", pieces.types[i], " ");
  CHECK(seen == "[CLS]/0 a/0 film/0 [UNK]/0 [SEP]/0 a/1 ##ffable/1 [UNK]/1 [SEP]/1 ");
  CHECK(film == PieceOffset{2, 6});
  CHECK(ids == std::vector<std::int32_t>(pieces.ids.begin(), pieces.ids.begin() + 5));
  CHECK(all.size() == 3);
  std::filesystem::remove_all(folder);
}
