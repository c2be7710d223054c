/// nn::Embedding: a vector for each id. A row of its gradient that no text touched is neither visited nor stored.
///
///   nn::Embedding<> words(20000, 300);
///   auto e = words(batch);               // rows [N, 300] with the texts' offsets
#pragma once
#include <quern/nn/initialise.hpp>
#include <quern/ops/embedding.hpp>

namespace quern::inline QUERN_ABI::nn {

template <class T = float>
struct Embedding {
  Tensor<T, 2> weight;  // [V, E]

  Embedding() = default;
  Embedding(std::int64_t vocabulary, std::int64_t width) : weight(vocabulary, width) {}

  static void visit(auto&& f, auto&... m) { f("weight", m.weight...); }
  auto operator()(const Ids& ids) const { return embedding(ids, weight); }  // [N] → [N, E]
  auto operator()(const Batch& batch) const { return Packed{(*this)(batch.ids), batch.offsets}; }

  /// Uniform in [-0.25, 0.25), after Kim (2014): about the spread of trained word vectors.
  void initialise(const Random& random, std::uint32_t op) { uniform(weight, 0.25, random, op); }
};

}  // namespace quern::inline QUERN_ABI::nn
