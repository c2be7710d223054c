/// Launchers of attention; the kernels stand in kernels/attention.cuh. Signatures as in cpu/attention.hpp, for float
/// and bf16.
#pragma once
#include <quern/base/attention_options.hpp>
#include <quern/base/dtype.hpp>
#include <quern/tensor/random.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void attention(View<const T, 2> q, View<const T, 2> k, View<const T, 2> v, View<const std::int64_t, 1> offsets,
               const AttentionOptions& options, const Random& random, std::uint32_t op, View<T, 2> y,
               View<float, 2> lse);
template <class T>
void attention_backward(View<const T, 2> dy, View<const T, 2> q, View<const T, 2> k, View<const T, 2> v,
                        View<const T, 2> y, View<const float, 2> lse, View<const std::int64_t, 1> offsets,
                        const AttentionOptions& options, const Random& random, std::uint32_t op, View<T, 2> dq,
                        View<T, 2> dk, View<T, 2> dv);

/// The same by the slow, obvious kernels, which the fast ones are tested against.
template <class T>
void attention_plain(View<const T, 2> q, View<const T, 2> k, View<const T, 2> v, View<const std::int64_t, 1> offsets,
                     const AttentionOptions& options, const Random& random, std::uint32_t op, View<T, 2> y,
                     View<float, 2> lse);
template <class T>
void attention_backward_plain(View<const T, 2> dy, View<const T, 2> q, View<const T, 2> k, View<const T, 2> v,
                              View<const T, 2> y, View<const float, 2> lse, View<const std::int64_t, 1> offsets,
                              const AttentionOptions& options, const Random& random, std::uint32_t op, View<T, 2> dq,
                              View<T, 2> dk, View<T, 2> dv);

}  // namespace quern::inline QUERN_ABI::cuda
