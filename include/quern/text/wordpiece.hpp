/// Needs utf8proc (link utf8proc). BERT's tokenizer: words, and the longest pieces of a vocabulary that make them up.
///
///   WordPiece wordpiece = WordPiece::from_vocab("vocab.txt", {.words = {.lowercase = true}});
///   wordpiece.ids("unaffable");                  // 101 14477 20961 3468 102
///   wordpiece.encode("unaffable").tokens;        // [CLS] una ##ffa ##ble [SEP]
///
/// Equal to Hugging Face's BertTokenizerFast, token for token and offset for offset (docs/tokenizers.md). A folder with
/// tokenizer.json is read by load_wordpiece (io/hugging_face_tokenizer.hpp). Words in ASCII are looked up byte by byte
/// where they stand in the text; others are normalized first.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <quern/base/error.hpp>
#include <quern/base/file.hpp>
#include <quern/text/added_tokens.hpp>
#include <quern/text/bert_words.hpp>
#include <quern/text/encoding.hpp>
#include <quern/text/piece_trie.hpp>
#include <quern/text/pieces.hpp>
#include <quern/text/string_table.hpp>

namespace quern::inline QUERN_ABI {

struct WordPieceOptions {
  BertWordsOptions words{};
  std::string prefix = "##";        // of pieces that continue a word
  std::int64_t longest_word = 100;  // in characters; longer ones are [UNK]
  std::string pad = "[PAD]", unk = "[UNK]", cls = "[CLS]", sep = "[SEP]", mask = "[MASK]";
  std::int64_t max_tokens = 0;  // what the model can take, for who asks (0: not known); encode does not cut by itself
};

class WordPiece {
 public:
  /// What stands around texts: special tokens by id, and the texts themselves.
  struct Part {
    enum Kind { token, first_text, second_text } kind;
    std::int32_t id = 0;    // of a token
    std::int32_t type = 0;  // of all its pieces
  };
  struct Frame {
    std::vector<Part> single, pair;
  };

  /// `tokens` in the order of their ids; `added` may name some of them, or go on with the ids after them (these are no
  /// pieces of words). By default the five special tokens are found in texts too, and a text is [CLS] text [SEP], a
  /// pair [CLS] first [SEP] second [SEP]. Errors: a token that is empty or there twice; a special token that is
  /// missing.
  explicit WordPiece(std::vector<std::string> tokens, WordPieceOptions options = {},
                     std::optional<std::vector<AddedToken>> added = {}, std::optional<Frame> frame = {},
                     const std::string& where = "wordpiece");

  /// A file of one token a line; the first has id 0.
  static WordPiece from_vocab(const std::string& path, WordPieceOptions options = {}) {
    return WordPiece(read_vocab(path), std::move(options), {}, {}, path);
  }
  /// The tokens of such a file. Errors: an empty file, an empty line, a token that is there twice, what is not UTF-8.
  static std::vector<std::string> read_vocab(const std::string& path);

  /// [CLS], the text's pieces, [SEP]. Any bytes are a text.
  std::vector<std::int32_t> ids(std::string_view text) const;
  /// Adds the ids of a text's pieces, without [CLS] and [SEP].
  void append_ids(std::string_view text, std::vector<std::int32_t>& out) const;

  /// Error: a text of a pair that must be cut by more than it has; max_tokens below the number of special tokens.
  Pieces encode(std::string_view text, const EncodeOptions& options) const;
  Pieces encode(std::string_view first, std::string_view second, const EncodeOptions& options) const;
  /// As the file asks for that the tokenizer was loaded from: a tokenizer.json may tell to cut and to pad.
  Pieces encode(std::string_view text) const { return padded(encode(text, defaults)); }
  Pieces encode(std::string_view first, std::string_view second) const {
    return padded(encode(first, second, defaults));
  }

  std::int32_t size() const { return tokens_.size(); }
  std::int32_t pad_id() const { return pad_; }
  std::int32_t unk_id() const { return unk_; }
  std::int32_t cls_id() const { return cls_; }
  std::int32_t sep_id() const { return sep_; }
  std::int32_t mask_id() const { return mask_; }
  const std::string& token(std::int32_t id) const {
    require(id >= 0 && id < size(), "wordpiece: id ", id, " of ", size());
    return tokens_[id];
  }
  /// The id of a token as it stands in the vocabulary, -1 if it is not there.
  std::int32_t id(std::string_view token) const { return tokens_.find(token); }
  /// A piece that continues a word.
  bool continues(std::int32_t id) const {
    return token(id).size() > options_.prefix.size() && token(id).starts_with(options_.prefix);
  }

  const WordPieceOptions& options() const { return options_; }
  const Frame& frame() const { return frame_; }

  /// One token a line; from_vocab reads it.
  void save_vocab(const std::string& path) const {
    std::string bytes;
    for (std::int32_t i = 0; i < size(); ++i) (bytes += tokens_[i]) += '\n';
    atomic_write(path, bytes);
  }

  EncodeOptions defaults{};
  std::optional<PadOptions> padding{};

 private:
  struct Ids;
  struct IdsAndOffsets;
  enum Kind : std::uint8_t { letter, space, alone, other };  // of a byte; other: the word it is in is normalized first

  template <class Out>
  void pieces_of(std::string_view text, Out& out) const;
  template <class Out>
  void pieces_of_stretch(std::string_view text, std::int32_t first, BertWords::Scratch& scratch, Out& out) const;
  template <class Out>
  void pieces_of_normalized(std::string_view text, std::int32_t first, BertWords::Scratch& scratch, Out& out) const;
  template <class Out>
  void pieces_of_word(std::string_view word, const auto& place, Out& out) const;

  Pieces framed(Pieces* first, Pieces* second, const EncodeOptions& options) const;
  Pieces padded(Pieces pieces) const {
    if (padding) pad({&pieces, 1}, *padding);
    return pieces;
  }
  void place_added(std::vector<AddedToken> added, const std::string& where);
  std::int32_t special_id(const std::string& token, const std::string& where) const;
  void classify_bytes();

  WordPieceOptions options_;
  StringTable tokens_;
  BertWords words_;
  PieceTrie trie_;
  AddedTokens raw_, normalized_;
  Frame frame_;
  std::int32_t pad_ = 0, unk_ = 0, cls_ = 0, sep_ = 0, mask_ = 0;
  std::array<Kind, 256> kind_{};
  std::array<unsigned char, 256> folded_{};   // ASCII capitals as small letters, where they become so
  std::array<std::int32_t, 128> alone_id_{};  // of punctuation
};

}  // namespace quern::inline QUERN_ABI

#include <quern/text/wordpiece_encode.hpp>  // the bodies
#include <quern/text/wordpiece_vocabulary.hpp>
