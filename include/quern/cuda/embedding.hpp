/// Launchers of embedding; the kernels stand in kernels/embedding.cuh. For float and bf16.
///
/// An id outside the table is a fault, thrown at the next synchronisation.
#pragma once
#include <quern/base/dtype.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void embedding(View<const std::int32_t, 1> ids, View<const T, 2> weight, View<T, 2> y);

/// dweight(ids(i), :) += dy(i, :), and marks the rows, where `marks` is given.
template <class T>
void embedding_backward(View<const T, 2> dy, View<const std::int32_t, 1> ids, View<T, 2> dweight, char* marks);

/// The same by the obvious kernel, one block a row of the table: what the fast one is tested against.
template <class T>
void embedding_backward_naive(View<const T, 2> dy, View<const std::int32_t, 1> ids, View<T, 2> dweight, char* marks);

/// `sorted`: the ids, smallest first, those outside the table as `vocabulary`; `positions`: where each stood, those of
/// one id in order. For tests; backward begins with it.
void sort_ids(View<const std::int32_t, 1> ids, std::int32_t vocabulary, std::int32_t* sorted, std::int32_t* positions);

}  // namespace quern::inline QUERN_ABI::cuda
