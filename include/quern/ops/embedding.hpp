/// embedding: a row of a table for each id.
///
///   y(i, :) = weight(ids(i), :)
///   dweight(v, :) = Σ dy(i, :) over the i with ids(i) = v      (rows no id names stay zero, and are never visited)
///
///   auto e = embedding(ids, weight);        // ids [N], weight [V, E] → [N, E]
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/embedding.hpp>
#include <quern/cuda/embedding.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

using Ids = Tensor<std::int32_t, 1>;

/// The ids, and the extents of the table.
struct EmbeddingSaved {
  Ids ids;
  Shape<2> weight;
};
template <class T>
struct EmbeddingForward {
  Tensor<T, 2> y;
  EmbeddingSaved saved;
};

template <Number T>
Tensor<T, 2> embedding(const Ids& ids, const Tensor<T, 2>& weight, Caller at = Caller::here()) {
  const Device device = common_device("embedding", weight, ids);
  for (std::int64_t i = 0; i < ids.size() && device.is_cpu(); ++i)  // a GPU's kernel looks itself
    require(ids(i) >= 0 && ids(i) < weight.extent(0), "embedding: id ", ids(i), " at position ", i, "; ",
            described("weight", weight), ", so ids are 0 to ", weight.extent(0) - 1, " (", at, ")");
  auto y = Tensor<T, 2>::empty({ids.size(), weight.extent(1)}, device);
  QUERN_RUN(T, device, embedding(ids.view(), weight.view(), y.view()));
  return y;
}

template <Number T>
EmbeddingForward<T> embedding_forward(const Ids& ids, const Tensor<T, 2>& weight, Caller at = Caller::here()) {
  return {embedding(ids, weight, at), {ids.share(), weight.shape()}};
}

/// Adds dy [N, E] into the rows of dweight [V, E] that the ids name, and lists those rows there.
template <Number T>
void embedding_backward_into(Tensor<T, 2>& dweight, const Tensor<T, 2>& dy, const EmbeddingSaved& saved) {
  if constexpr (has_kernels<T>) {
    if (dweight.device().is_cuda())
      return cuda::embedding_backward(std::as_const(dy).view(), std::as_const(saved.ids).view(), dweight.view(),
                                      row_marks(dweight));
  }
  for (auto id : saved.ids.span()) touch_row(dweight, id);
  cpu::embedding_backward(dy.view(), saved.ids.view(), dweight.view());
}

/// dy [N, E] → dweight [V, E].
template <Number T>
Tensor<T, 2> embedding_backward(const Tensor<T, 2>& dy, const EmbeddingSaved& saved) {
  Tensor<T, 2> dweight(saved.weight, dy.device());
  embedding_backward_into(dweight, dy, saved);
  return dweight;
}

template <class T>
Tensor<Recorded<T>, 2> embedding(const Ids& ids, const Tensor<Recorded<T>, 2>& weight, Caller at = Caller::here()) {
  auto [y, saved] = embedding_forward(ids, weight.value(), at);
  auto backward = [weight, saved = std::move(saved)](Tape& tape, const Tensor<T, 2>& dy) {
    auto dweight = tape.gradient_of(weight);
    embedding_backward_into(dweight, dy, saved);
  };
  return Tape::record("embedding", std::move(y), std::move(backward), weight);
}

}  // namespace quern::inline QUERN_ABI
