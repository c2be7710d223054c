/// A model over texts it does not learn from: probabilities of each, and how good they are.
///
///   Tensor<float, 2> p = probabilities_of(model, texts);              // [texts, C]
///   Metrics m = evaluate(model, texts, split.held, 2);                // against the texts' labels
///
/// The model computes where it is; what comes out is on the host.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include <quern/cuda/stage.hpp>
#include <quern/data/batches.hpp>
#include <quern/ops/softmax.hpp>
#include <quern/tensor/walk.hpp>
#include <quern/train/metrics.hpp>

namespace quern::inline QUERN_ABI {

/// `indices` in their order, in batches of few enough tokens that memory stays small whatever the texts' lengths.
inline BatchPlan plan_for_evaluation(const Encoded& texts, std::span<const std::int64_t> indices) {
  constexpr std::int64_t most_texts = 128, most_tokens = 8192;
  BatchPlan plan;
  plan.order.assign(indices.begin(), indices.end());
  std::int64_t tokens = 0;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const auto length = texts.length(indices[i]), at = std::int64_t(i);
    if (at > plan.begins.back() && (at - plan.begins.back() == most_texts || tokens + length > most_tokens))
      plan.begins.push_back(at), tokens = 0;
    tokens += length;
  }
  if (!indices.empty()) plan.begins.push_back(std::int64_t(indices.size()));
  return plan;
}

namespace detail {
/// A model that cannot be walked, a function, computes on the CPU.
template <class M>
Device device_to_evaluate(const M& model) {
  if constexpr (Visitable<const M>) return device_of(model);
  return {};
}
}  // namespace detail

/// How well `model` finds the labels of the examples `indices`.
template <class M>
Metrics evaluate(const M& model, const Encoded& texts, std::span<const std::int64_t> indices, std::int64_t classes) {
  require(!texts.labels.empty() || indices.empty(), "evaluate: the texts have no labels");
  MetricsCounter counter(classes);
  BatchStage stage(detail::device_to_evaluate(model));
  for (const Batch& batch : Batches(texts, plan_for_evaluation(texts, indices), 0))
    counter.add(batch.labels.span(), softmax(model(stage(batch))).to(Device::cpu()));
  return counter.result();
}
template <class M>
Metrics evaluate(const M& model, const Encoded& texts, std::int64_t classes) {
  return evaluate(model, texts, detail::all_of(texts), classes);
}

/// Logits [indices, C] of the examples `indices`, on the host.
template <template <class> class M, class T>
Tensor<T, 2> logits_of(const M<T>& model, const Encoded& texts, std::span<const std::int64_t> indices,
                       std::int64_t classes) {
  auto all = Tensor<T, 2>::empty({indices.size(), classes});
  T* to = all.data();
  BatchStage stage(detail::device_to_evaluate(model));
  for (const Batch& batch : Batches(texts, plan_for_evaluation(texts, indices), 0)) {
    const auto z = model(stage(batch));
    require(z.extent(1) == classes, "logits_of: the model has ", z.extent(1), " classes, expected ", classes);
    copy_bytes(to, Device::cpu(), z.data(), z.device(), z.bytes());
    to += z.size();
  }
  return all;
}

/// Probabilities [texts, C] of every text.
template <template <class> class M, class T>
Tensor<T, 2> probabilities_of(const M<T>& model, const Encoded& texts, std::int64_t classes) {
  return softmax(logits_of(model, texts, detail::all_of(texts), classes));
}

}  // namespace quern::inline QUERN_ABI
