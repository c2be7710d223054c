/// From texts to ids by whatever a model was trained with, so that what surrounds a model need not know it.
///
///   const WordsToIds words(Tokenizer::words(), vocabulary);
///   Encoded texts = words(data.texts, data.labels, 512);               // of each text the first 512 tokens
///   words.token(17);  words.size();                                    // ids are below size()
#pragma once
#include <cstdint>
#include <span>
#include <string>

#include <quern/data/encode.hpp>

namespace quern::inline QUERN_ABI {

class TextToIds {
 public:
  virtual ~TextToIds() = default;

  /// `labels` is empty or has one label for each text; `max_tokens`: longer texts are cut (0: never).
  virtual Encoded operator()(std::span<const std::string> texts, std::span<const std::int32_t> labels = {},
                             std::int64_t max_tokens = 0) const = 0;
  /// What the ids stand for: "words", "characters", "wordpiece".
  virtual const char* name() const = 0;
  virtual std::int32_t size() const = 0;
  virtual const std::string& token(std::int32_t id) const = 0;
  /// Writes one token a line, line n is id n-1.
  virtual void save(const std::string& path) const = 0;
};

/// "17402 tokens: <unk> the , a and …"
inline void append_text(std::string& out, const TextToIds& ids) {
  out += text_of(ids.size(), " tokens:");
  for (std::int32_t i = 0; i < std::min(ids.size(), 6); ++i) (out += ' ') += ids.token(i);
  if (ids.size() > 6) out += " …";
}

/// Words or characters, by a vocabulary of them.
class WordsToIds final : public TextToIds {
 public:
  WordsToIds(Tokenizer tokenizer, Vocabulary vocabulary) : tokenizer_(tokenizer), vocabulary_(std::move(vocabulary)) {}

  Encoded operator()(std::span<const std::string> texts, std::span<const std::int32_t> labels = {},
                     std::int64_t max_tokens = 0) const override {
    return encode(texts, tokenizer_, vocabulary_, labels, max_tokens);
  }
  const char* name() const override { return tokenizer_.name(); }
  std::int32_t size() const override { return vocabulary_.size(); }
  const std::string& token(std::int32_t id) const override { return vocabulary_.token(id); }
  void save(const std::string& path) const override { vocabulary_.save(path); }

  const Tokenizer& tokenizer() const { return tokenizer_; }
  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  Tokenizer tokenizer_;
  Vocabulary vocabulary_;
};

}  // namespace quern::inline QUERN_ABI
