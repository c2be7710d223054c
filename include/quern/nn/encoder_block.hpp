/// nn::EncoderBlock: one layer of a transformer encoder (Vaswani et al. 2017, section 3.1): attention, then a
/// feed-forward net of two layers with gelu between them, each added to what went in and normalised.
///
///   nn::EncoderBlock<> block(384, 12, 1536, {.dropout = 0.1});      // heads 12, 1536 units within
///   Packed<float> y = block(x);                                     // rows [N, 384] → rows [N, 384]
///
///   post-norm (BERT)              h = norm(x + dropout(attend(x))),  y = norm(h + dropout(feed(h)))
///   pre-norm (norm_first = true)  h = x + dropout(attend(norm(x))),  y = h + dropout(feed(norm(h)))
///
/// Pre-norm trains from nothing without care for the learning rate (Xiong et al. 2020); its model needs a norm of its
/// own after the last block.
#pragma once
#include <quern/nn/layer_norm.hpp>
#include <quern/nn/multi_head_attention.hpp>
#include <quern/ops/add.hpp>
#include <quern/ops/embedding.hpp>
#include <quern/ops/gelu.hpp>
#include <quern/ops/layer_norm_residual.hpp>

namespace quern::inline QUERN_ABI::nn {

/// What may be chosen beside the sizes.
struct EncoderBlockOptions {
  bool norm_first = false;
  bool causal = false;
  double dropout = 0;            // of what attention and the feed-forward net add
  double attention_dropout = 0;  // of the probabilities of attention
  double norm_eps = 1e-12;
};

template <class T = float>
struct EncoderBlock {
  MultiHeadAttention<T> attention;
  LayerNorm<T> attention_norm;
  Linear<T> intermediate, output;  // [F, C], [C, F]
  LayerNorm<T> output_norm;
  bool norm_first = false;
  double dropout = 0;

  EncoderBlock() = default;
  EncoderBlock(std::int64_t columns, std::int64_t heads, std::int64_t units, const EncoderBlockOptions& o = {})
      : attention(columns, heads, {o.causal, o.attention_dropout}),
        attention_norm(columns, o.norm_eps),
        intermediate(columns, units),
        output(units, columns),
        output_norm(columns, o.norm_eps),
        norm_first(o.norm_first),
        dropout(o.dropout) {}

  static void visit(auto&& f, auto&... m) {
    f("attention", m.attention...), f("attention_norm", m.attention_norm...);
    f("intermediate", m.intermediate...), f("output", m.output...), f("output_norm", m.output_norm...);
    f("norm_first", m.norm_first...), f("dropout", m.dropout...);
  }

  /// Rows [N, C] of B texts → rows [N, C]
  template <class X>
  auto operator()(const Packed<X>& x) const {
    return Packed{halves(x.rows, attention.out(attended(x))), x.offsets};
  }

  /// The rows `rows` [R] of (*this)(x) alone: [R, C]. All other rows are computed as far as these need them, as keys
  /// and values of the attention.
  template <class X>
  auto of_rows(const Packed<X>& x, const Ids& rows) const {
    return halves(embedding(rows, x.rows), attention.out(embedding(rows, attended(x))));
  }

 private:
  /// Of every row what attention finds [N, C], before it is projected.
  template <class X>
  auto attended(const Packed<X>& x) const {
    const auto attend = [&](const auto& in) {
      const auto& a = attention;
      return quern::attention(a.query(in), a.key(in), a.value(in), {a.heads, a.causal, a.dropout}).rows;
    };
    return norm_first ? attend(attention_norm(x)) : attend(x);
  }

  /// The rest of the block, row by row: x [N, C], and what attention adds to it.
  auto halves(const auto& x, const auto& found) const {
    if (norm_first) {
      const auto h = add(x, quern::dropout(found, dropout));
      return add(h, quern::dropout(feed_forward(output_norm(h)), dropout));
    }
    const auto& first = attention_norm;
    const auto h = layer_norm_residual(x, found, first.weight, first.bias, first.eps, dropout);
    return layer_norm_residual(h, feed_forward(h), output_norm.weight, output_norm.bias, output_norm.eps, dropout);
  }

  auto feed_forward(const auto& h) const { return output(gelu(intermediate(h))); }
};

}  // namespace quern::inline QUERN_ABI::nn
