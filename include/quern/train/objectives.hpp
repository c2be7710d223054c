/// What a model can learn from texts without labels: the objectives of pretrain().
///
///   MaskedLanguageModel objective(Masking(wordpiece));     // for a BertMaskedLm
///   Contrast objective(0.05);                              // for a BertSentence: SimCSE, a text is its own pair
///   Contrast objective(0.05, pairs);                       // … texts i and i + pairs are a pair
///
/// An objective plans the batches of an epoch, makes an example of each, and gives its loss on a tape.
#pragma once
#include <cmath>
#include <cstdint>
#include <span>
#include <utility>

#include <quern/data/batches.hpp>
#include <quern/data/mask_tokens.hpp>
#include <quern/loss/cross_entropy.hpp>
#include <quern/loss/info_nce.hpp>
#include <quern/models/bert.hpp>
#include <quern/ops/slice.hpp>
#include <quern/train/metrics.hpp>

namespace quern::inline QUERN_ABI {

/// How well a model does on an example: Σ loss and right guesses of `count` of them.
struct ObjectiveScore {
  double loss_sum = 0;
  std::int64_t right = 0, count = 0;

  void operator+=(const ObjectiveScore& s) { loss_sum += s.loss_sum, right += s.right, count += s.count; }
  double loss() const { return count ? loss_sum / double(count) : 0; }
  double accuracy() const { return count ? double(right) / double(count) : 0; }
};

namespace detail {
/// In how many rows of [B, C], on the host, the largest number is that of the label.
template <class T>
std::int64_t count_largest(const Tensor<T, 2>& scores, const Tensor<std::int32_t, 1>& labels) {
  std::int64_t right = 0;
  for (std::int64_t b = 0; b < scores.extent(0); ++b) {
    const std::span<const T> row(scores.view().row(b), std::size_t(scores.extent(1)));
    right += largest(row) == labels(b);
  }
  return right;
}
}  // namespace detail

/// Guess the tokens that were masked (Devlin et al. 2019): cross-entropy, the mean over these.
class MaskedLanguageModel {
 public:
  using Example = MaskedBatch;

  explicit MaskedLanguageModel(Masking masking) : masking_(std::move(masking)) {}

  /// `indices` of the texts in batches of `batch` texts.
  static BatchPlan plan(const Encoded& texts, std::span<const std::int64_t> indices, std::int64_t batch,
                        std::uint64_t seed, std::uint32_t epoch) {
    return plan_shuffled(texts, indices, batch, seed, epoch);
  }
  /// How many texts there are to choose `indices` from.
  static std::int64_t items(const Encoded& texts) { return texts.size(); }

  /// `batch` is on the host, the example on `device`.
  Example example(const Batch& batch, const Random& random, Device device) const {
    auto m = masking_(batch, random);
    return {to(m.batch, device), m.rows.to(device), m.targets.to(device)};
  }
  /// An example without loss is passed over.
  static bool has_loss(const Example& e) { return e.rows.size() > 0; }

  auto loss(const auto& model, const Example& e) const { return cross_entropy(model(e.batch, e.rows), e.targets); }

  template <class M>
  ObjectiveScore score(const M& model, const Example& e) const {
    if (!has_loss(e)) return {};
    const auto logits = model(e.batch, e.rows);
    const auto n = e.rows.size();
    return {double(cross_entropy(logits, e.targets).item()) * double(n),
            detail::count_largest(logits.to(Device::cpu()), e.targets.to(Device::cpu())), n};
  }

 private:
  Masking masking_;
};

/// SimCSE (Gao, Yao & Chen 2021): of all sentences of a batch, find the one that belongs to a sentence. Without pairs
/// (their section 3) that is the same sentence again under other dropout, the only difference; with pairs (section 4)
/// it is the sentence's partner. InfoNCE over cosines: the two sides of the batch are its first and its second half.
class Contrast {
 public:
  using Example = Batch;

  explicit Contrast(double temperature = 0.05, std::int64_t pairs = 0) : temperature_(temperature), pairs_(pairs) {
    require(temperature > 0 && std::isfinite(temperature), "contrast: temperature ", temperature,
            "; expected a number above 0");
    require(pairs >= 0, "contrast: ", pairs, " pairs");
  }

  /// `indices` of the first sentences; every batch holds them, and then their partners in the same order.
  BatchPlan plan(const Encoded& texts, std::span<const std::int64_t> indices, std::int64_t batch, std::uint64_t seed,
                 std::uint32_t epoch) const {
    const BatchPlan firsts = plan_shuffled(texts, indices, batch, seed, epoch);
    BatchPlan plan;
    for (std::int64_t k = 0; k < firsts.size(); ++k) {
      for (const auto shift : {std::int64_t(0), pairs_})
        for (const auto i : firsts.batch(k)) plan.order.push_back(i + shift);
      plan.begins.push_back(std::int64_t(plan.order.size()));
    }
    return plan;
  }
  std::int64_t items(const Encoded& texts) const {
    require(pairs_ == 0 || texts.size() == 2 * pairs_, "contrast: ", pairs_, " pairs, but ", texts.size(), " texts");
    return pairs_ ? pairs_ : texts.size();
  }

  static Example example(const Batch& batch, const Random&, Device device) { return to(batch, device); }
  /// One sentence has no others to be told from.
  static bool has_loss(const Example& e) { return e.texts() > 2; }

  auto loss(const auto& model, const Example& e) const {
    const auto [firsts, partners] = halves(model.mean(e));
    return info_nce(firsts, partners, options());
  }

  /// Without pairs there is nothing to measure: without dropout a sentence is equal to itself.
  template <class M>
  ObjectiveScore score(const M& model, const Example& e) const {
    if (!has_loss(e) || pairs_ == 0) return {};
    const auto [firsts, partners] = halves(model.mean(e));
    const auto [loss, saved] = info_nce_forward(firsts, partners, options());
    const auto cosines = matmul(saved.queries.vectors, saved.keys.vectors, Transpose::no, Transpose::yes);
    const auto n = firsts.extent(0);
    return {double(loss.item()) * double(n),
            detail::count_largest(cosines.to(Device::cpu()), detail::own_labels(cosines).to(Device::cpu())), n};
  }

 private:
  InfoNceOptions options() const { return {.temperature = temperature_, .cosine = true}; }

  /// Rows [2 B, C] → the first B, the last B.
  static auto halves(const auto& rows) {
    const auto half = rows.extent(0) / 2;
    return std::pair{slice(rows, 0, 0, half), slice(rows, 0, half, 2 * half)};
  }

  double temperature_;
  std::int64_t pairs_;
};

}  // namespace quern::inline QUERN_ABI
