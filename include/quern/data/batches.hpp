/// Batches of an encoded data set, prepared ahead by another thread.
///
///   for (const Batch& batch : batches(train, 50, seed, epoch)) …           // shuffled, texts of like length together
///   for (const Batch& batch : batches_in_order(test, 256)) …               // for evaluation
///   for (const Batch& batch : batches(train, 50, seed, epoch, done)) …     // resumes at batch `done`
///
/// The batches of an epoch are a function of (data, batch size, seed, epoch): neither threads nor resuming change a
/// bit.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

#include <quern/base/error.hpp>
#include <quern/data/ahead.hpp>
#include <quern/data/encode.hpp>
#include <quern/tensor/packed.hpp>
#include <quern/tensor/random.hpp>

namespace quern::inline QUERN_ABI {

/// Which examples stand in which batch.
struct BatchPlan {
  std::vector<std::int64_t> order;      // indices of examples, batch after batch
  std::vector<std::int64_t> begins{0};  // batch k is order[begins[k]] … order[begins[k+1]-1]

  std::int64_t size() const { return std::int64_t(begins.size()) - 1; }
  std::span<const std::int64_t> batch(std::int64_t k) const {
    const auto begin = std::size_t(begins[std::size_t(k)]), end = std::size_t(begins[std::size_t(k) + 1]);
    return std::span(order).subspan(begin, end - begin);
  }
};

namespace detail {

inline void check_batches(const Encoded& texts, std::span<const std::int64_t> indices, std::int64_t batch_size) {
  require(batch_size >= 1, "batches: batch size ", batch_size, " is below 1");
  for (const auto i : indices) require(i >= 0 && i < texts.size(), "batches: example ", i, " of ", texts.size());
}

inline std::vector<std::int64_t> all_of(const Encoded& texts) { return numbers_below(texts.size()); }

}  // namespace detail

/// `indices` in their order, cut into batches; the last may be shorter.
inline BatchPlan plan_in_order(const Encoded& texts, std::span<const std::int64_t> indices, std::int64_t batch_size) {
  detail::check_batches(texts, indices, batch_size);
  BatchPlan plan;
  for (std::int64_t k = 0; k < std::int64_t(indices.size()); ++k) {
    if (k > 0 && k % batch_size == 0) plan.begins.push_back(std::int64_t(k));
    plan.order.push_back(std::int64_t(indices[std::size_t(k)]));
  }
  if (!indices.empty()) plan.begins.push_back(std::int64_t(indices.size()));
  return plan;
}

/// `indices` shuffled; inside every window of 50 batches sorted by length, so that a batch's texts are of like length
/// and its working memory is near the mean; then the batches shuffled, so that lengths do not rise and fall together.
inline BatchPlan plan_shuffled(const Encoded& texts, std::span<const std::int64_t> indices, std::int64_t batch_size,
                               std::uint64_t seed, std::uint32_t epoch) {
  constexpr std::int64_t window_batches = 50;
  const Random random(seed, Purpose::order, epoch);
  BatchPlan sorted = plan_in_order(texts, indices, batch_size);
  std::span order(sorted.order);
  random.shuffle(order, 0);
  const std::size_t n = order.size();
  const std::size_t window =
      batch_size > std::int64_t(n) / window_batches ? n : std::size_t(window_batches * batch_size);
  for (std::size_t begin = 0; begin < n; begin += window)
    detail::sort_numbers(order.subspan(begin, std::min(window, n - begin)),
                         [&](std::int64_t a, std::int64_t b) { return texts.length(a) < texts.length(b); });
  auto batches = detail::numbers_below(sorted.size());
  std::span batch_order(batches);
  random.shuffle(batch_order, 1);
  BatchPlan plan;
  for (const auto k : batches) {
    for (const auto i : sorted.batch(k)) plan.order.push_back(std::int64_t(i));
    plan.begins.push_back(std::int64_t(plan.order.size()));
  }
  return plan;
}

/// A range over the batches of a plan, to be walked once. The data set outlives it.
class Batches {
 public:
  Batches(const Encoded& texts, BatchPlan plan, std::int64_t first)
      : texts_(texts), plan_(checked(std::move(plan), first)), ahead_(first, plan_.size(), Gather{this}) {}

  /// The number of batches of the whole epoch, those passed over by `first` included.
  std::int64_t size() const { return plan_.size(); }

  class Iterator {
   public:
    using value_type = Batch;
    using difference_type = std::ptrdiff_t;
    const Batch& operator*() const { return range_->current_; }
    const Batch* operator->() const { return &range_->current_; }
    Iterator& operator++() {
      if (!range_->advance()) range_ = nullptr;
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& i, std::default_sentinel_t) { return i.range_ == nullptr; }

   private:
    friend class Batches;
    explicit Iterator(Batches* range) : range_(range) {}
    Batches* range_;
  };

  Iterator begin() {
    require(!begun_, "batches: a range of batches is walked once; make another for another pass");
    begun_ = true;
    return ++Iterator(this);
  }
  std::default_sentinel_t end() const { return {}; }

 private:
  /// Plain memory: tensors are made by the thread that takes the batch, so that the pool sees one order of requests.
  struct Gathered {
    std::vector<std::int32_t> ids, labels, types;
    std::vector<std::int64_t> offsets;
  };
  struct Gather {
    const Batches* range;
    Gathered operator()(std::int64_t k) const { return range->gather(k); }
  };

  static BatchPlan checked(BatchPlan plan, std::int64_t first) {
    require(first >= 0 && first <= plan.size(), "batches: asked to begin at batch ", first, " of ", plan.size());
    return plan;
  }

  Gathered gather(std::int64_t k) const {
    Gathered g;
    g.offsets.push_back(std::int64_t(0));
    for (const auto i : plan_.batch(k)) {
      detail::append(g.ids, texts_.text(i));
      if (!texts_.types.empty()) detail::append(g.types, texts_.types_of(i));
      g.offsets.push_back(std::int64_t(g.ids.size()));
      if (!texts_.labels.empty()) g.labels.push_back(std::int32_t(texts_.labels[std::size_t(i)]));
    }
    return g;
  }

  bool advance() {
    Gathered g;
    if (!ahead_.next(g)) return false;
    current_ = {};  // returns its memory before the next takes some
    current_.ids = Tensor<std::int32_t, 1>::of({g.ids.size()}, g.ids);
    current_.offsets = Offsets::of({g.offsets.size()}, g.offsets);
    current_.labels = Tensor<std::int32_t, 1>::of({g.labels.size()}, g.labels);
    current_.types = Tensor<std::int32_t, 1>::of({g.types.size()}, g.types);
    return true;
  }

  const Encoded& texts_;
  BatchPlan plan_;
  Batch current_;
  bool begun_ = false;
  Ahead<Gather> ahead_;  // last: its thread reads the above
};

/// The batches of one epoch over the examples `indices`, from batch `first` on.
inline Batches batches(const Encoded& texts, std::span<const std::int64_t> indices, std::int64_t batch_size,
                       std::uint64_t seed, std::uint32_t epoch = 0, std::int64_t first = 0) {
  return Batches(texts, plan_shuffled(texts, indices, batch_size, seed, epoch), first);
}
/// … over all examples.
inline Batches batches(const Encoded& texts, std::int64_t batch_size, std::uint64_t seed, std::uint32_t epoch = 0,
                       std::int64_t first = 0) {
  return batches(texts, detail::all_of(texts), batch_size, seed, epoch, first);
}

/// Batches in the order of `indices`, or of all examples.
inline Batches batches_in_order(const Encoded& texts, std::span<const std::int64_t> indices, std::int64_t batch_size) {
  return Batches(texts, plan_in_order(texts, indices, batch_size), 0);
}
inline Batches batches_in_order(const Encoded& texts, std::int64_t batch_size) {
  return batches_in_order(texts, detail::all_of(texts), batch_size);
}

Batches batches(Encoded&&, auto...) = delete;  // the range would outlive its data
Batches batches_in_order(Encoded&&, auto...) = delete;

}  // namespace quern::inline QUERN_ABI
