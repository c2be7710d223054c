/// Needs utf8proc (link utf8proc). Texts as BERT's pieces, where a model may be one of words as well.
///
///   const PiecesToIds pieces(load_wordpiece("bert-base-uncased"));
///   Encoded texts = pieces(data.texts, data.labels, 512);              // [CLS] … [SEP]
#pragma once
#include <quern/data/encode_wordpiece.hpp>
#include <quern/data/text_to_ids.hpp>

namespace quern::inline QUERN_ABI {

class PiecesToIds final : public TextToIds {
 public:
  explicit PiecesToIds(WordPiece pieces) : pieces_(std::move(pieces)) {}

  Encoded operator()(std::span<const std::string> texts, std::span<const std::int32_t> labels = {},
                     std::int64_t max_tokens = 0) const override {
    return encode(texts, pieces_, labels, max_tokens);
  }
  const char* name() const override { return "wordpiece"; }
  std::int32_t size() const override { return pieces_.size(); }
  const std::string& token(std::int32_t id) const override { return pieces_.token(id); }
  void save(const std::string& path) const override { pieces_.save_vocab(path); }

  const WordPiece& pieces() const { return pieces_; }

 private:
  WordPiece pieces_;
};

}  // namespace quern::inline QUERN_ABI
