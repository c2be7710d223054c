/// Needs utf8proc (link utf8proc). A new WordPiece vocabulary, learned from texts.
///
///   const TokenCounts words = count_bert_words(texts);                    // normalized and cut as BERT does
///   std::vector<std::string> tokens = train_wordpiece(words, {.size = 8000});
///   WordPiece(tokens).save_vocab("vocab.txt");                            // [PAD] [UNK] [CLS] [SEP] [MASK] first
///
/// The method of `tokenizers`' WordPieceTrainer, which is byte-pair encoding (Sennrich et al. 2016) with ## before what
/// continues a word: every word begins as its characters, and the pair of neighbours that occurs most often becomes a
/// piece, until there are `size`. Equal counts go by the pieces' ids; `tokenizers` numbers pieces of one character by
/// chance, here the numbers follow the text alone, so the same text gives the same vocabulary.
#pragma once
#include <algorithm>
#include <cstdint>
#include <queue>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <quern/text/bert_words.hpp>
#include <quern/text/string_table.hpp>
#include <quern/text/vocabulary.hpp>

namespace quern::inline QUERN_ABI {

struct TrainWordPieceOptions {
  std::int64_t size = 8000;        // of the vocabulary, special tokens and characters with it
  std::int64_t min_frequency = 2;  // pairs that occur less often become no piece
  std::int64_t alphabet = 1000;    // the most frequent characters alone; 0: all
  std::string prefix = "##";
  std::vector<std::string> special{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
};

/// How often each word occurs that a BERT tokenizer cuts texts into.
inline TokenCounts count_bert_words(std::span<const std::string> texts, const BertWordsOptions& options = {}) {
  const BertWords words(options);
  TokenCounts counts;
  for (const auto& text : texts)
    words.each(text, [&](std::string_view word, std::span<const std::int32_t>) { counts.add(word); });
  return counts;
}

namespace detail {

class WordPieceTrainer {
 public:
  WordPieceTrainer(const TokenCounts& words, const TrainWordPieceOptions& options) : options_(options) {
    for (const auto& token : options.special) tokens_.add(token);
    const auto order = by_falling_count(words);
    add_alphabet(words);
    add_words(words, order);
    check(tokens_.size() <= options.size, "train_wordpiece: ", tokens_.size(),
          " pieces for the special tokens and single characters alone, but size is ", options.size,
          "; raise size or lower alphabet");
    count_pairs();
  }

  std::vector<std::string> run() {
    while (tokens_.size() < options_.size && !queue_.empty()) {
      Merge top = std::move(const_cast<Merge&>(queue_.top()));
      queue_.pop();
      const std::int64_t count = pairs_[top.pair].count;
      if (top.count != count) {  // it has changed since; back to its place
        top.count = count;
        queue_.push(std::move(top));
        continue;
      }
      if (count < std::max(options_.min_frequency, std::int64_t(1))) break;
      merge(top);
    }
    std::vector<std::string> out;
    for (std::int32_t i = 0; i < tokens_.size(); ++i) out.push_back(tokens_[i]);
    return out;
  }

 private:
  using Pair = std::uint64_t;  // two ids
  struct Merge {
    std::int64_t count;
    Pair pair;
    std::vector<std::int32_t> words;  // that hold the pair
    /// The most frequent pair is on top; of equal ones the one of the lowest ids.
    bool operator<(const Merge& other) const { return count != other.count ? count < other.count : pair > other.pair; }
  };
  struct PairCount {
    std::int64_t count = 0;
    std::vector<std::int32_t> words;  // that came to hold the pair since it was queued last
  };

  static Pair pair_of(std::int32_t a, std::int32_t b) { return Pair(std::uint32_t(a)) << 32 | std::uint32_t(b); }

  static std::vector<std::int64_t> by_falling_count(const TokenCounts& words) {
    auto order = numbers_below(words.size());
    sort_numbers(order, [&](std::int64_t a, std::int64_t b) {
      const std::int64_t more = words.count(std::int32_t(a)) - words.count(std::int32_t(b));
      return more != 0 ? more > 0 : words.token(std::int32_t(a)) < words.token(std::int32_t(b));
    });
    return order;
  }

  /// The characters of all words, each as a piece that begins a word.
  void add_alphabet(const TokenCounts& words) {
    std::unordered_map<char32_t, std::int64_t> counts;
    for (std::int32_t i = 0; i < words.size(); ++i)
      each_character(words.token(i), [&](char32_t c) { counts[c] += words.count(i); });
    std::vector<std::pair<char32_t, std::int64_t>> characters(counts.begin(), counts.end());
    std::sort(characters.begin(), characters.end(), [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    if (options_.alphabet > 0 && std::int64_t(characters.size()) > options_.alphabet)
      characters.resize(std::size_t(options_.alphabet));
    std::sort(characters.begin(), characters.end());
    for (const auto& [c, count] : characters) tokens_.add(utf8(c));
  }

  /// Words as ids of their characters; characters outside of the alphabet are passed over.
  void add_words(const TokenCounts& words, std::span<const std::int64_t> order) {
    for (const auto i : order) {
      std::vector<std::int32_t> ids;
      bool first = true;
      each_character(words.token(std::int32_t(i)), [&](char32_t c) {
        const std::string alone = utf8(c);
        if (tokens_.find(alone) != StringTable::none)
          ids.push_back(tokens_.add(first ? alone : options_.prefix + alone));
        first = false;
      });
      words_.push_back(std::move(ids));
      counts_.push_back(words.count(std::int32_t(i)));
    }
  }

  void count_pairs() {
    for (std::size_t w = 0; w < words_.size(); ++w)
      for (std::size_t i = 1; i < words_[w].size(); ++i) change(pair_of(words_[w][i - 1], words_[w][i]), w, 1);
    queue_changed();
  }

  void change(Pair pair, std::size_t word, int by) {
    PairCount& p = pairs_[pair];
    p.count += by * counts_[word];
    if (by < 0) return;
    if (p.words.empty()) changed_.push_back(pair);
    if (p.words.empty() || p.words.back() != std::int32_t(word)) p.words.push_back(std::int32_t(word));
  }
  void queue_changed() {
    for (const Pair pair : changed_) {
      PairCount& p = pairs_[pair];
      if (p.count > 0) queue_.push({p.count, pair, std::move(p.words)});
      p.words = {};
    }
    changed_.clear();
  }

  /// Makes the pair one piece in all words that hold it, and counts the pairs that come and go.
  void merge(const Merge& top) {
    const auto a = std::int32_t(top.pair >> 32), b = std::int32_t(top.pair & 0xFFFFFFFF);
    const std::string& continued = tokens_[b];
    const std::size_t marks = continued.starts_with(options_.prefix) ? options_.prefix.size() : 0;
    const std::int32_t merged = tokens_.add(tokens_[a] + continued.substr(marks));
    for (const auto w : top.words) {
      auto& ids = words_[std::size_t(w)];
      const auto word = std::size_t(w);
      std::size_t kept = 0;
      for (std::size_t i = 0; i < ids.size(); ++i, ++kept) {
        if (ids[i] != a || i + 1 == ids.size() || ids[i + 1] != b) {
          ids[kept] = ids[i];
          continue;
        }
        if (kept > 0) {
          change(pair_of(ids[kept - 1], a), word, -1);
          change(pair_of(ids[kept - 1], merged), word, 1);
        }
        ids[kept] = merged;
        ++i;
        if (i + 1 == ids.size()) continue;
        change(pair_of(b, ids[i + 1]), word, -1);
        change(pair_of(merged, ids[i + 1]), word, 1);
      }
      ids.resize(kept);
    }
    queue_changed();
  }

  static void each_character(std::string_view word, auto&& f) {
    for (std::size_t at = 0; at < word.size();) {
      const CodePoint c = code_point_or_part(word, at);
      at += std::size_t(c.bytes);
      f(c.value);
    }
  }
  static std::string utf8(char32_t c) {
    std::string s;
    append_utf8(s, c);
    return s;
  }

  const TrainWordPieceOptions& options_;
  StringTable tokens_;
  std::vector<std::vector<std::int32_t>> words_;  // ids of each word's pieces
  std::vector<std::int64_t> counts_;              // of each word
  std::unordered_map<Pair, PairCount> pairs_;
  std::vector<Pair> changed_;
  std::priority_queue<Merge> queue_;
};

}  // namespace detail

/// The tokens in the order of their ids: special ones, characters by code point, then pieces as they were found. Fewer
/// than `size` where no pair is left that is frequent enough.
inline std::vector<std::string> train_wordpiece(const TokenCounts& words, const TrainWordPieceOptions& options = {}) {
  require(options.size >= 1 && options.size <= 1 << 24, "train_wordpiece: size is ", options.size,
          ", expected 1 to 2^24");
  require(options.min_frequency >= 0 && options.alphabet >= 0, "train_wordpiece: min_frequency ", options.min_frequency,
          " or alphabet ", options.alphabet, " is below 0");
  check(words.size() > 0, "train_wordpiece: there are no words");
  return detail::WordPieceTrainer(words, options).run();
}

}  // namespace quern::inline QUERN_ABI
