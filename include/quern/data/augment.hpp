/// More training texts out of those there are: EDA of Wei & Zou, "EDA: easy data augmentation techniques for boosting
/// performance on text classification tasks" (2019). Each copy of a text has undergone one of four small changes.
///
///   const Synonyms synonyms = read_synonyms("synonyms.tsv", tokenizer);      // word<TAB>synonym,synonym,…
///   const SynonymIds ids(synonyms, vocabulary);
///   Encoded more = augment(texts, split.train, {.copies = 4, .rate = 0.1}, ids, seed, epoch);
///
/// Chance is addressed by (seed, epoch, text, copy): a text's copies in an epoch are the same for any number of threads
/// and after a resume, and others in the next epoch.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/error.hpp>
#include <quern/base/file.hpp>
#include <quern/base/parallel_for.hpp>
#include <quern/data/csv.hpp>
#include <quern/data/encode.hpp>
#include <quern/data/names.hpp>
#include <quern/tensor/random.hpp>
#include <quern/text/string_table.hpp>
#include <quern/text/vocabulary.hpp>

namespace quern::inline QUERN_ABI {

struct AugmentOptions {
  std::int64_t copies = 0;  // of each text, besides itself (n_aug of the paper)
  double rate = 0.1;        // share of a text's tokens that a change touches, one at least (alpha)
};

/// Tokens and what may stand for each: lists of tokens, as "film" for which "motion picture" may stand.
struct Synonyms {
  StringTable words;
  std::vector<std::vector<std::vector<std::string>>> of;  // of each word
  std::int64_t passed_over = 0;                           // words that are more than one token

  /// Adds the tokens of the synonyms of each word that was counted, so that a vocabulary has a place for them.
  void add_to(TokenCounts& counts) const {
    for (std::int32_t i = 0, n = counts.size(); i < n; ++i) {
      const std::int32_t word = words.find(counts.token(i));
      if (word == StringTable::none) continue;
      const std::int64_t count = counts.count(i);
      for (const auto& synonym : of[std::size_t(word)])
        for (const auto& token : synonym) counts.add(token, count);
    }
  }
};

/// Reads lines of `word<TAB>synonym,synonym,…` in UTF-8; lines of one word are taken together. Errors name file and
/// line.
inline Synonyms read_synonyms(const std::string& path, const Tokenizer& tokenizer) {
  const std::string text = to_utf8(read_file(path), Encoding::utf8, path);
  LineReader lines(text, path);
  Synonyms result;
  for (std::string_view line; lines.next(line);) {
    if (detail::trimmed(line).empty()) continue;
    const std::size_t tab = line.find('\t');
    const auto expect = [&](bool ok) {
      check(ok, path, ":", lines.line(), ": expected a word, a tab, and synonyms with commas between them, got '",
            line.substr(0, 60), "'");
    };
    expect(tab != std::string_view::npos);
    const auto word = tokenizer(line.substr(0, tab));
    expect(!word.empty());
    if (word.size() > 1) {
      ++result.passed_over;
      continue;
    }
    const auto at = std::size_t(result.words.add(word[0]));
    if (at == result.of.size()) result.of.push_back({});
    for (std::size_t begin = tab + 1; begin <= line.size();) {
      const std::size_t end = std::min(line.find(',', begin), line.size());
      auto synonym = tokenizer(line.substr(begin, end - begin));
      expect(!synonym.empty());
      if (synonym != word) result.of[at].push_back(std::move(synonym));
      begin = end + 1;
    }
  }
  check(result.words.size() > 0 || result.passed_over > 0, path, ": the file holds no synonyms");
  return result;
}

/// The synonyms as ids of a vocabulary; those it does not know are left out.
class SynonymIds {
 public:
  SynonymIds() = default;
  SynonymIds(const Synonyms& synonyms, const Vocabulary& vocabulary) : of_(std::size_t(vocabulary.size())) {
    for (std::int32_t w = 0; w < synonyms.words.size(); ++w) {
      const std::int32_t id = vocabulary.id(synonyms.words[w]);
      if (id == Vocabulary::unknown_id) continue;
      for (const auto& synonym : synonyms.of[std::size_t(w)]) {
        std::vector<std::int32_t> ids;
        for (const auto& token : synonym) ids.push_back(vocabulary.id(token));
        if (std::find(ids.begin(), ids.end(), Vocabulary::unknown_id) != ids.end()) continue;
        words_ += of_[std::size_t(id)].empty();
        of_[std::size_t(id)].push_back(std::move(ids));
      }
    }
  }

  /// What may stand for `id`; mostly nothing.
  std::span<const std::vector<std::int32_t>> of(std::int32_t id) const {
    if (std::size_t(id) >= of_.size()) return {};
    return of_[std::size_t(id)];
  }
  std::int64_t words() const { return words_; }

 private:
  std::vector<std::vector<std::vector<std::int32_t>>> of_;
  std::int64_t words_ = 0;
};

namespace detail {

/// The random numbers of one copy of one text, one after another.
struct Draws {
  const Random& random;
  std::uint32_t text;
  std::uint64_t next;

  std::size_t below(std::size_t n) { return std::size_t(random.below(n, text, next++)); }
  bool chance(double p) { return double(below(std::size_t(1) << 24)) < p * 0x1p24; }
};

using TokenIds = std::vector<std::int32_t>;

/// The places of tokens that have synonyms.
inline std::vector<std::size_t> replaceable(const TokenIds& ids, const SynonymIds& synonyms) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (!synonyms.of(ids[i]).empty()) places.push_back(std::size_t(i));
  return places;
}

inline const TokenIds& any_synonym(std::int32_t id, const SynonymIds& synonyms, Draws& draws) {
  const auto all = synonyms.of(id);
  return all[draws.below(all.size())];
}

/// n tokens that have synonyms give way to one of them.
inline TokenIds replace_by_synonyms(const TokenIds& ids, std::size_t n, const SynonymIds& synonyms, Draws& draws) {
  auto places = replaceable(ids, synonyms);
  for (std::size_t i = 0; i < places.size() && i < n; ++i)
    std::swap(places[i], places[i + draws.below(places.size() - i)]);
  if (places.size() > n) places.resize(n);
  std::vector<bool> chosen(ids.size(), false);
  for (const auto place : places) chosen[place] = true;
  TokenIds out;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (chosen[i]) {
      append(out, any_synonym(ids[i], synonyms, draws));
    } else {
      out.push_back(std::int32_t(ids[i]));
    }
  }
  return out;
}

/// n times, a synonym of a token of the text is put somewhere.
inline TokenIds insert_synonyms(TokenIds ids, std::size_t n, const SynonymIds& synonyms, Draws& draws) {
  const auto places = replaceable(ids, synonyms);
  std::vector<std::int32_t> words;  // the text grows, these are of the text as it came
  for (const auto place : places) words.push_back(std::int32_t(ids[place]));
  for (std::size_t k = 0; k < n; ++k) {
    const TokenIds& synonym = any_synonym(words[draws.below(words.size())], synonyms, draws);
    ids.insert(ids.begin() + std::ptrdiff_t(draws.below(ids.size() + 1)), synonym.begin(), synonym.end());
  }
  return ids;
}

/// n times, two tokens change places.
inline TokenIds swap_tokens(TokenIds ids, std::size_t n, Draws& draws) {
  for (std::size_t k = 0; k < n && ids.size() > 1; ++k) {
    const std::size_t a = draws.below(ids.size()), other = draws.below(ids.size() - 1);
    std::swap(ids[a], ids[other + (other >= a)]);
  }
  return ids;
}

/// Each token goes with this probability; one at least stays.
inline TokenIds delete_tokens(const TokenIds& ids, double rate, Draws& draws) {
  TokenIds out;
  for (const auto id : ids)
    if (!draws.chance(rate)) out.push_back(std::int32_t(id));
  if (out.empty()) out.push_back(std::int32_t(ids[draws.below(ids.size())]));
  return out;
}

}  // namespace detail

/// Copy number `copy` of text number `text`: by turns, beginning anywhere, a text's copies have words replaced by
/// synonyms, synonyms inserted, tokens swapped, tokens deleted; the last two alone where no token has a synonym.
/// `random` is of Purpose::augment and the epoch. A text of one token stays as it is unless it has a synonym.
inline std::vector<std::int32_t> augmented(std::span<const std::int32_t> ids, const AugmentOptions& options,
                                           const SynonymIds& synonyms, const Random& random, std::uint32_t text,
                                           std::int64_t copy) {
  require(options.rate >= 0 && options.rate <= 1, "augment: rate ", options.rate, " is not within 0 and 1");
  require(!ids.empty() && copy >= 0, "augment: copy ", copy, " of a text of ", ids.size(), " tokens");
  detail::TokenIds all;
  detail::append(all, ids);
  const auto n = std::max<std::size_t>(1, std::size_t(options.rate * double(ids.size())));
  const std::size_t changes = detail::replaceable(all, synonyms).empty() ? 2 : 4;
  detail::Draws turn{random, text, 0};
  const std::size_t change = (turn.below(changes) + std::size_t(copy)) % changes;
  detail::Draws draws{random, text, std::uint64_t(copy + 1) << 20};
  if (change == 0) return detail::swap_tokens(std::move(all), n, draws);
  if (change == 1) return detail::delete_tokens(all, options.rate, draws);
  if (change == 2) return detail::replace_by_synonyms(all, n, synonyms, draws);
  return detail::insert_synonyms(std::move(all), n, synonyms, draws);
}

/// The texts `indices`, in that order, and after them the first copy of each, the second, …, with their labels: text k
/// of the result comes from text indices[k % indices.size()].
inline Encoded augment(const Encoded& texts, std::span<const std::int64_t> indices, const AugmentOptions& options,
                       const SynonymIds& synonyms, std::uint64_t seed, std::uint32_t epoch) {
  require(options.copies >= 0 && options.copies < 4096, "augment: copies ", options.copies,
          " are not within 0 and 4095");
  for (const auto i : indices) require(i >= 0 && i < texts.size(), "augment: text ", i, " of ", texts.size());
  const Random random(seed, Purpose::augment, epoch);
  const auto n = std::int64_t(indices.size()), total = n * (options.copies + 1);
  constexpr std::int64_t chunk = 256;
  std::vector<detail::TokenIds> parts(std::size_t((total + chunk - 1) / chunk));
  Encoded all;
  all.offsets = std::vector<std::int64_t>(std::size_t(total) + 1, 0);  // first the lengths
  parallel_for(total, chunk, [&](std::int64_t begin, std::int64_t end) {
    detail::TokenIds& part = parts[std::size_t(begin / chunk)];
    for (auto k = begin; k < end; ++k) {
      const std::int64_t i = indices[std::size_t(k % n)];
      const std::size_t before = part.size();
      if (k < n) {
        detail::append(part, texts.text(i));
      } else {
        detail::append(part, augmented(texts.text(i), options, synonyms, random, std::uint32_t(i), k / n - 1));
      }
      all.offsets[std::size_t(k) + 1] = std::int64_t(part.size() - before);
    }
  });
  for (std::size_t k = 1; k < all.offsets.size(); ++k) all.offsets[k] += all.offsets[k - 1];
  for (const auto& part : parts) detail::append(all.ids, part);
  for (std::int64_t k = 0; k < total && !texts.labels.empty(); ++k)
    all.labels.push_back(std::int32_t(texts.labels[std::size_t(indices[std::size_t(k % n)])]));
  return all;
}

}  // namespace quern::inline QUERN_ABI
