/// nn::MultiHeadAttention: self-attention of the rows of each text, with what goes in and comes out projected (Vaswani
/// et al. 2017, section 3.2.2): out(attention(query(x), key(x), value(x))).
///
///   nn::MultiHeadAttention<> attend(384, 12, {.dropout = 0.1});      // 12 heads of 32 columns
///   Packed<float> y = attend(x);                                     // rows [N, 384] → rows [N, 384]
#pragma once
#include <quern/nn/linear.hpp>
#include <quern/ops/attention.hpp>

namespace quern::inline QUERN_ABI::nn {

/// What may be chosen beside the number of heads.
struct MultiHeadAttentionOptions {
  bool causal = false;  // a row attends to itself and to those before it
  double dropout = 0;   // of the probabilities, on a tape with a random stream
};

template <class T = float>
struct MultiHeadAttention {
  Linear<T> query, key, value, out;  // [C, C] each
  std::int64_t heads = 1;            // divides C
  bool causal = false;
  double dropout = 0;

  MultiHeadAttention() = default;
  MultiHeadAttention(std::int64_t columns, std::int64_t number_of_heads, MultiHeadAttentionOptions options = {})
      : query(columns, columns),
        key(columns, columns),
        value(columns, columns),
        out(columns, columns),
        heads(number_of_heads),
        causal(options.causal),
        dropout(options.dropout) {}

  static void visit(auto&& f, auto&... m) {
    f("query", m.query...), f("key", m.key...), f("value", m.value...), f("out", m.out...);
    f("heads", m.heads...), f("causal", m.causal...), f("dropout", m.dropout...);
  }

  /// Rows [N, C] of B texts → rows [N, C]
  template <class X>
  auto operator()(const Packed<X>& x) const {
    return out(attention(query(x), key(x), value(x), {heads, causal, dropout}));
  }
};

}  // namespace quern::inline QUERN_ABI::nn
