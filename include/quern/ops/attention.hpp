/// attention: every row of a text becomes an average of rows of its text, weighted by how well they match it, for each
/// of H heads apart (Vaswani et al. 2017). A text attends to itself alone. The T x T scores are never stored: softmax
/// is taken block by block (Milakov & Gimelshein 2018), and backward makes the probabilities again (Dao et al. 2022).
///
///   p(i, j) = softmax_j(q_i · k_j / √D),  y_i = Σ_j p(i, j) m(i, j) v_j          for each head, D columns of H·D
///   m(i, j) = 0 with probability `dropout`, else 1 / (1 - dropout);  causal: j ≤ i alone
///   dv_j = Σ_i p(i, j) m(i, j) dy_i,  ds(i, j) = p(i, j) (m(i, j) dy_i · v_j - dy_i · y_i)
///   dq_i = Σ_j ds(i, j) k_j / √D,  dk_j = Σ_i ds(i, j) q_i / √D
///
///   auto y = attention(q, k, v, {.heads = 12});         // rows [N, H·D] of B texts, three times → rows [N, H·D]
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/attention.hpp>
#include <quern/cuda/attention.hpp>
#include <quern/ops/dropout.hpp>

namespace quern::inline QUERN_ABI {

/// What backward needs beside q, k, v and y.
template <class T>
struct AttentionSaved {
  Tensor<accumulator_t<T>, 2> lse;  // [N, H]: ln Σ_j e^score(i, j)
  Offsets offsets;                  // of the texts
  AttentionOptions options;
  DropoutSaved dropout;  // the mask's address: head h draws as op number dropout.op + h
};
template <class T>
struct AttentionForward {
  Packed<T> y;
  AttentionSaved<T> saved;
};
template <class T>
struct AttentionGradients {
  Tensor<T, 2> q, k, v;
};

namespace detail {
/// On a GPU offsets are not read: they were made by `pack` or by an op.
[[gnu::noinline]] inline void require_same_texts(const char* op, const char* role, const Offsets& q, const Offsets& x,
                                                 Caller at) {
  bool same = q.size() == x.size();
  if (same && q.device().is_cpu() && x.device().is_cpu() && q.data() != x.data())
    same = std::equal(q.data(), q.data() + q.size(), x.data());
  require(same, op, ": ", role, " has other texts than q: their offsets differ (q has ", q.size() - 1, " texts, ", role,
          " ", x.size() - 1, "); q, k and v must be rows of the same texts (", at, ")");
}

template <class T>
void check_attention(const Packed<T>& q, const Packed<T>& k, const Packed<T>& v, const AttentionOptions& options,
                     Caller at) {
  const auto query = described("q", q.rows);
  require_same_shape("attention", query, described("k", k.rows), at);
  require_same_shape("attention", query, described("v", v.rows), at);
  require(options.heads >= 1 && q.rows.extent(1) % options.heads == 0, "attention: ", query, "; ", options.heads,
          " heads must divide its columns, ", q.rows.extent(1), " (", at, ")");
  require(options.dropout >= 0 && options.dropout < 1, "attention: expected a dropout in [0, 1), got ", options.dropout,
          " (", at, ")");
  require(options.dropout == 0 || q.rows.extent(0) <= 1 << 17, "attention: ", query,
          "; with dropout at most 2^17 rows can be told apart, give it fewer texts at a time (", at, ")");
  check_offsets("attention", q.offsets, q.rows.extent(0), at);
  require_same_texts("attention", "k", q.offsets, k.offsets, at);
  require_same_texts("attention", "v", q.offsets, v.offsets, at);
}
}  // namespace detail

/// Training: head h draws its mask as op number `op + h` of the stream `random`.
template <Number T>
AttentionForward<T> attention_forward(const Packed<T>& q, const Packed<T>& k, const Packed<T>& v,
                                      const AttentionOptions& options, const Random& random, std::uint32_t op,
                                      Caller at = Caller::here()) {
  detail::check_attention(q, k, v, options, at);
  const Device device = common_device("attention", q.rows, k.rows, v.rows, q.offsets);
  AttentionForward<T> f{Packed<T>{empty_like(q.rows), q.offsets},
                        {Tensor<accumulator_t<T>, 2>::empty({q.rows.extent(0), options.heads}, device),
                         q.offsets.share(),
                         options,
                         {options.dropout, random, op}}};
  QUERN_RUN(T, device,
            attention(q.rows.view(), k.rows.view(), v.rows.view(), q.offsets.view(), options, random, op,
                      f.y.rows.view(), f.saved.lse.view()));
  return f;
}

/// Inference: nothing is dropped.
template <Number T>
AttentionForward<T> attention_forward(const Packed<T>& q, const Packed<T>& k, const Packed<T>& v,
                                      AttentionOptions options, Caller at = Caller::here()) {
  detail::check_attention(q, k, v, options, at);
  options.dropout = 0;
  return attention_forward(q, k, v, options, Random(0), 0, at);
}

template <Number T>
Packed<T> attention(const Packed<T>& q, const Packed<T>& k, const Packed<T>& v, const AttentionOptions& options = {},
                    Caller at = Caller::here()) {
  return attention_forward(q, k, v, options, at).y;
}

/// dy [N, H·D] → dq, dk, dv [N, H·D].
template <Number T>
AttentionGradients<T> attention_backward(const Tensor<T, 2>& dy, const Tensor<T, 2>& q, const Tensor<T, 2>& k,
                                         const Tensor<T, 2>& v, const Tensor<T, 2>& y, const AttentionSaved<T>& saved) {
  require_same_shape("attention_backward", described("dy", dy), described("q", q));
  AttentionGradients<T> d{empty_like(q), empty_like(q), empty_like(q)};
  const Device device = common_device("attention_backward", dy, q, k, v, y);
  QUERN_RUN(
      T, device,
      attention_backward(dy.view(), q.view(), k.view(), v.view(), y.view(), saved.lse.view(), saved.offsets.view(),
                         saved.options, saved.dropout.random, saved.dropout.op, d.q.view(), d.k.view(), d.v.view()));
  return d;
}

template <class Q, class K, class V>
requires AnyRecorded<Tensor<Q, 2>, Tensor<K, 2>, Tensor<V, 2>>
auto attention(const Packed<Q>& q, const Packed<K>& k, const Packed<V>& v, AttentionOptions options = {},
               Caller at = Caller::here()) {
  const auto plain = [](const auto& x) { return Packed{value(x.rows).share(), x.offsets}; };
  detail::check_attention(plain(q), plain(k), plain(v), options, at);
  Tape* tape = detail::tape_of(q.rows, k.rows, v.rows);
  if (!tape || !tape->random()) options.dropout = 0;
  const Random random = options.dropout > 0 ? *tape->random() : Random(0);
  const std::uint32_t op = options.dropout > 0 ? tape->next_random_op() : 0;
  for (std::int64_t h = 1; options.dropout > 0 && h < options.heads; ++h) tape->next_random_op();
  auto [y, saved] = attention_forward(plain(q), plain(k), plain(v), options, random, op, at);
  auto backward = [q = keep(q.rows), k = keep(k.rows), v = keep(v.rows), y = y.rows.share(), saved = std::move(saved)](
                      Tape& tape, const auto& dy) {
    auto d = attention_backward(dy, value(q), value(k), value(v), y, saved);
    if constexpr (is_recorded<Tensor<Q, 2>>) tape.add(q, std::move(d.q));
    if constexpr (is_recorded<Tensor<K, 2>>) tape.add(k, std::move(d.k));
    if constexpr (is_recorded<Tensor<V, 2>>) tape.add(v, std::move(d.v));
  };
  return Packed{Tape::record("attention", y.rows, std::move(backward), q.rows, k.rows, v.rows), q.offsets};
}

}  // namespace quern::inline QUERN_ABI
