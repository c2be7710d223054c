/// Needs utf8proc (link utf8proc). Which tokens a masked language model has to guess (Devlin et al. 2019, section 3.1).
///
///   const Masking masking(wordpiece, {.rate = 0.15, .whole_words = true});
///   const MaskedBatch m = masking(batch, Random(seed, Purpose::masking, step));
///   cross_entropy(model(m.batch, m.rows), m.targets);
///
/// The masks are dynamic (Liu et al. 2019, RoBERTa): a step has its own, so a text is masked anew in every epoch.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include <quern/tensor/packed.hpp>
#include <quern/tensor/random.hpp>
#include <quern/text/wordpiece.hpp>

namespace quern::inline QUERN_ABI {

struct MaskingOptions {
  double rate = 0.15;        // the share of tokens to be guessed; of these
  double mask_share = 0.8;   // become [MASK],
  double other_share = 0.1;  // become a token drawn from all, and the rest stay as they are
  bool whole_words = false;  // all pieces of a word are chosen, or none; of a batch that would have none, one piece
};

struct MaskedBatch {
  Batch batch;                      // as given, but for the ids that were changed
  Tensor<std::int32_t, 1> rows;     // [R] the tokens to be guessed, rising
  Tensor<std::int32_t, 1> targets;  // [R] what stood there
};

class Masking {
 public:
  explicit Masking(const WordPiece& wordpiece, const MaskingOptions& options = {})
      : options_(options), mask_(wordpiece.mask_id()) {
    const auto is_share = [](double x) { return x >= 0 && x <= 1; };
    require(options.rate > 0 && options.rate < 1 && is_share(options.mask_share) && is_share(options.other_share) &&
                options.mask_share + options.other_share <= 1 + 1e-9,
            "masking: rate ", options.rate, ", mask_share ", options.mask_share, ", other_share ", options.other_share,
            "; expected a rate above 0 and below 1, and shares that are at most 1 together");
    const std::int32_t special[] = {wordpiece.pad_id(), wordpiece.unk_id(), wordpiece.cls_id(), wordpiece.sep_id(),
                                    mask_};
    for (std::int32_t id = 0; id < wordpiece.size(); ++id) {
      const bool ordinary = std::find(std::begin(special), std::end(special), id) == std::end(special);
      kind_.push_back(!ordinary ? Kind::special : wordpiece.continues(id) ? Kind::continuation : Kind::first);
      if (ordinary) ordinary_.push_back(id);
    }
    require(!ordinary_.empty(), "masking: the vocabulary has special tokens alone");
  }

  /// `batch` is on the host. Special tokens are never chosen; where chance chooses none, one token is chosen all the
  /// same, so that there is something to learn. `rows` is empty only where there are no other tokens.
  MaskedBatch operator()(const Batch& batch, const Random& random) const {
    std::vector<std::int32_t> rows;
    for (std::int64_t begin = 0, end; begin < batch.tokens(); begin = end) {
      end = begin + 1;
      if (kind_of(batch.ids(begin)) == Kind::special) continue;
      if (options_.whole_words)
        while (end < batch.tokens() && kind_of(batch.ids(end)) == Kind::continuation) ++end;
      if (random.uniform(choice, std::uint64_t(begin)) >= float(options_.rate)) continue;
      for (auto i = begin; i < end; ++i) rows.push_back(std::int32_t(i));
    }
    if (rows.empty()) choose_one(batch, random, rows);
    MaskedBatch masked{{batch.ids, batch.offsets.share(), batch.labels.share(), batch.types.share()},
                       Tensor<std::int32_t, 1>::of({rows.size()}, rows),
                       Tensor<std::int32_t, 1>(rows.size())};
    for (std::size_t k = 0; k < rows.size(); ++k) {
      masked.targets(k) = batch.ids(rows[k]);
      masked.batch.ids(rows[k]) = shown(batch.ids(rows[k]), rows[k], random);
    }
    return masked;
  }

 private:
  enum class Kind : std::uint8_t { special, first, continuation };
  enum : std::uint32_t { choice, change, other, last_resort };  // numbers of ops, for the addresses of chance

  Kind kind_of(std::int32_t id) const {
    require(id >= 0 && std::size_t(id) < kind_.size(), "masking: id ", id, " of ", kind_.size());
    return kind_[std::size_t(id)];
  }

  /// What stands in the place of a token that is to be guessed.
  std::int32_t shown(std::int32_t id, std::int32_t row, const Random& random) const {
    const double u = random.uniform(change, std::uint64_t(row));
    if (u < options_.mask_share) return mask_;
    if (u < options_.mask_share + options_.other_share)
      return ordinary_[random.below(ordinary_.size(), other, std::uint64_t(row))];
    return id;
  }

  void choose_one(const Batch& batch, const Random& random, std::vector<std::int32_t>& rows) const {
    for (std::int64_t i = 0; i < batch.tokens(); ++i)
      if (kind_of(batch.ids(i)) != Kind::special) rows.push_back(std::int32_t(i));
    if (!rows.empty()) rows = {rows[random.below(rows.size(), last_resort, 0)]};
  }

  MaskingOptions options_;
  std::int32_t mask_;
  std::vector<Kind> kind_;              // of each id
  std::vector<std::int32_t> ordinary_;  // ids that are not special
};

}  // namespace quern::inline QUERN_ABI
