/// CPU bodies of attention: one head of one text at a time, its scores in blocks that stay in the caches.
///
///   cpu::attention(q.view(), k.view(), v.view(), offsets.view(), options, random, op, y.view(), lse.view());
///
/// A block is at most `attention_queries` x `attention_keys` scores; its borders depend on the text's length alone.
/// Along a row of blocks the softmax is "online" (Milakov & Gimelshein 2018): each row knows its largest score so far
/// and the sum of exponentials against it, and what was added up before is scaled down when a larger one comes.
/// Backward makes the probabilities again from `lse` (Dao et al. 2022). Heads of texts go to threads; no sum is shared
/// by two.
#pragma once
#include <cmath>
#include <limits>

#include <quern/base/attention_options.hpp>
#include <quern/cpu/attention_block.hpp>

namespace quern::inline QUERN_ABI::cpu {

inline constexpr std::int64_t attention_queries = 144, attention_keys = 512;

namespace detail {

/// Attention over a batch, a head of a text at a time.
template <class T>
struct AttentionBody {
  using A = accumulator_t<T>;
  View<const T, 2> q, k, v;  // [N, H·D]
  AttentionOptions options;
  Random random;
  std::uint32_t op;

  std::int64_t step = q.extent(1), width = step / options.heads;  // H·D, D
  SmallProducts<A> products = {};
  A kept_scale = A(1 / (1 - options.dropout));
  A scale = A(1 / std::sqrt(double(width))), log2_scale = scale * log2_e;  // scores are computed for 2^x
  static constexpr A log2_e = A(1.4426950408889634), ln_2 = A(0.6931471805599453);

  /// Row i of a text, where the head begins.
  template <class X>
  X* at(View<X, 2> x, const AttentionHead& h, std::int64_t i) const {
    return x.data + (h.first + i) * step + h.column;
  }
  /// The head's part of `rows` rows from i on as dense rows, and back.
  void load(View<const T, 2> x, const AttentionHead& h, std::int64_t i, std::int64_t rows, A* to, A factor = 1) const {
    copy_scaled(at(x, h, i), step, to, width, rows, width, factor);
  }
  void store(const A* from, View<T, 2> x, const AttentionHead& h, std::int64_t i, std::int64_t rows,
             A factor = 1) const {
    copy_scaled(from, width, at(x, h, i), step, rows, width, factor);
  }
  /// Where the keys end that queries before row `end` of n attend to; a whole panel is computed in any case.
  std::int64_t last_key(std::int64_t end, std::int64_t n) const {
    return options.causal ? std::min(round_up(end, 32), n) : n;
  }
  /// For row i of each head of a text: asks for as much of the text that comes next, in the order of memory. The caller
  /// goes on; by head, rows stand too far apart for the machine to guess.
  template <class... X>
  QUERN_INLINE void fetch_next(const AttentionHead& h, std::int64_t i, const X&... x) const {
    const std::int64_t from = (h.first + h.rows) * step + (h.head * h.rows + i) * width;
    if (from + width > q.size()) return;
    for (std::int64_t c = 0; c < width; c += 64 / std::int64_t(sizeof(T))) (__builtin_prefetch(x.data + from + c), ...);
  }
  KeepStream mask_of(const AttentionHead& h) const { return {random, op + std::uint32_t(h.head), options.dropout}; }
  /// The mask of row r of a block.
  template <class V>
  QUERN_INLINE const A* draw(const KeepStream& mask, const AttentionHead& h, const ScoreBlock<A>& block, std::int64_t r,
                             A* keep) const {
    const std::int64_t query = (h.first + block.i + r) * attention_mask_stride(q.extent(0));
    return draw_keep<V>(mask, query + block.j, block.columns, keep);
  }
  /// Beyond the keys that row r attends to: 0.
  static void clear_hidden(const ScoreBlock<A>& block, std::int64_t r, A* row) {
    for (std::int64_t c = block.visible(r); c < block.columns; ++c) row[c] = 0;
  }

  /// Scores to exponentials that have passed dropout; `o` [rows, D] is scaled to the new largest. ahead(i) asks for
  /// what will be needed of row i.
  void softmax(const ScoreBlock<A>& block, const AttentionHead& h, A* most, A* sum, A* o, A* keep, auto&& ahead) const {
    const KeepStream mask = mask_of(h);
    simd_for<T>([&]<class V>(V) {
      const V scale_of_kept(kept_scale);
      for (std::int64_t r = 0; r < block.rows; ++r) {
        A* s = block.row(r);
        if (block.j == 0) ahead(block.i + r);
        if (block.visible(r) > 0) {
          const V factor(softmax_step<V>(s, block.visible(r), most[r], sum[r]));
          if (block.j > 0)
            for_each_vector<V>(width, [&](std::int64_t c, int count) QUERN_INLINE_LAMBDA {
              (V::load(o + r * width + c, count) * factor).store(o + r * width + c, count);
            });
        }
        clear_hidden(block, r, s);
        if (options.dropout == 0) continue;
        const A* stays = draw<V>(mask, h, block, r, keep);
        for_each_vector<V>(block.columns, [&](std::int64_t c, int count) QUERN_INLINE_LAMBDA {
          drop(V::load(s + c, count), V::load(stays + c, count), scale_of_kept).store(s + c, count);
        });
      }
    });
  }

  /// y = o / sum, lse = ln(2^most · sum), for the queries from row i on. `sum` is overwritten.
  void finish(const AttentionHead& h, std::int64_t i, std::int64_t rows, const A* most, A* sum, const A* o,
              View<T, 2> y, View<A, 2> lse) const {
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t r = 0; r < rows; ++r) {
        const V share(A(1) / sum[r]);
        T* to = at(y, h, i + r);
        for_each_vector<V>(width, [&](std::int64_t c, int count) QUERN_INLINE_LAMBDA {
          (V::load(o + r * width + c, count) * share).store(to + c, count);
        });
      }
      for_each_vector<V>(rows, [&](std::int64_t r, int count) QUERN_INLINE_LAMBDA {
        V::load(most + r, count).fma(V(ln_2), log(V::load(sum + r, count))).store(sum + r, count);
      });
    });
    for (std::int64_t r = 0; r < rows; ++r) lse(h.first + i + r, h.head) = sum[r];
  }

  void forward(const AttentionHead& h, View<T, 2> y, View<A, 2> lse) const {
    const auto ahead = [&](std::int64_t i) QUERN_INLINE_LAMBDA { fetch_next(h, i, q, k, v, y); };
    const std::int64_t n = h.rows, D = width;
    const Parts queries(n, attention_queries, 12), keys(n, attention_keys, 32);
    const std::int64_t stride = ScoreBlock<A>::stride_of(keys.size);
    const auto [q_rows, k_rows, k_turned, v_rows, o, s, most, sum, keep] =
        carve<A>(queries.size * D, n * D, products.transposed_size(n, D), n * D, queries.size * D,
                 queries.size * stride, queries.size, queries.size, keys.size + keep_slack);
    load(k, h, 0, n, k_rows);
    load(v, h, 0, n, v_rows);
    const RightOperand<A> turned = products.transposed(k_rows, n, D, k_turned), values{v_rows, D};
    for (std::int64_t part = 0; part < queries.count; ++part) {
      const std::int64_t i = queries.begin(part), rows = queries.length(part), end = last_key(i + rows, n);
      load(q, h, i, rows, q_rows, log2_scale);
      std::fill_n(most, rows, -std::numeric_limits<A>::infinity());
      std::fill_n(sum, rows, A(0));
      for (std::int64_t j = 0; j < end; j += keys.size) {
        const ScoreBlock<A> block{i, rows, j, std::min(keys.size, end - j), s, stride, options.causal};
        products.run(rows, block.columns, D, q_rows, D, 1, turned.from_column(j), s, stride, false);
        softmax(block, h, most, sum, o, keep, ahead);
        products.run(rows, D, block.columns, s, stride, 1, values.from_row(j), o, D, j > 0);
      }
      finish(h, i, rows, most, sum, o, y, lse);
    }
  }

  /// Scores s and dy · v in dp → probabilities as they met v, and gradients of the scores.
  void softmax_backward(const ScoreBlock<A>& block, A* dp, const AttentionHead& h, const A* lse, const A* delta,
                        A* keep, auto&& ahead) const {
    const KeepStream mask = mask_of(h);
    simd_for<T>([&]<class V>(V) {
      const V scale_of_kept(kept_scale);
      for (std::int64_t r = 0; r < block.rows; ++r) {
        if (block.j == 0) ahead(block.i + r);
        const A* stays = options.dropout > 0 ? draw<V>(mask, h, block, r, keep) : nullptr;
        softmax_step_backward<V>(block.row(r), dp + r * block.stride, block.visible(r), lse[r], delta[r], stays,
                                 scale_of_kept);
        clear_hidden(block, r, block.row(r));
        clear_hidden(block, r, dp + r * block.stride);
      }
    });
  }

  /// delta = Σ_c dy y and lse / ln 2, of the queries from row i on.
  void prepare(const AttentionHead& h, std::int64_t i, std::int64_t rows, View<const T, 2> dy, View<const T, 2> y,
               View<const A, 2> lse, A* lse_rows, A* delta) const {
    simd_for<T>([&]<class V>(V) {
      for (std::int64_t r = 0; r < rows; ++r) {
        const T *g = at(dy, h, i + r), *o = at(y, h, i + r);
        delta[r] = sum_of<V>(width, [&](std::int64_t c, int count)
                                        QUERN_INLINE_LAMBDA { return V::load(g + c, count) * V::load(o + c, count); });
        lse_rows[r] = lse(h.first + i + r, h.head) * log2_e;
      }
    });
  }

  void backward(const AttentionHead& h, View<const T, 2> dy, View<const T, 2> y, View<const A, 2> lse, View<T, 2> dq,
                View<T, 2> dk, View<T, 2> dv) const {
    const auto ahead = [&](std::int64_t i) QUERN_INLINE_LAMBDA { fetch_next(h, i, q, k, v, dy, y); };
    const std::int64_t n = h.rows, D = width;
    const Parts queries(n, attention_queries, 12), keys(n, attention_keys, 32);
    const std::int64_t stride = ScoreBlock<A>::stride_of(keys.size), block_size = queries.size * stride;
    const std::int64_t turned_size = products.transposed_size(n, D), part_size = queries.size * D;
    const auto [q_rows, dy_rows, dq_rows, k_rows, k_turned, v_turned, dk_rows, dv_rows, s, dp, lse_rows, delta, keep] =
        carve<A>(part_size, part_size, part_size, n * D, turned_size, turned_size, n * D, n * D, block_size, block_size,
                 queries.size, queries.size, keys.size + keep_slack);
    load(v, h, 0, n, k_rows);
    const RightOperand<A> v_columns = products.transposed(k_rows, n, D, v_turned);
    load(k, h, 0, n, k_rows);
    const RightOperand<A> k_columns = products.transposed(k_rows, n, D, k_turned), k_operand{k_rows, D};
    std::fill_n(dk_rows, n * D, A(0));
    std::fill_n(dv_rows, n * D, A(0));
    for (std::int64_t part = 0; part < queries.count; ++part) {
      const std::int64_t i = queries.begin(part), rows = queries.length(part), end = last_key(i + rows, n);
      load(q, h, i, rows, q_rows, log2_scale);
      load(dy, h, i, rows, dy_rows);
      prepare(h, i, rows, dy, y, lse, lse_rows, delta);
      for (std::int64_t j = 0; j < end; j += keys.size) {
        const ScoreBlock<A> block{i, rows, j, std::min(keys.size, end - j), s, stride, options.causal};
        products.run(rows, block.columns, D, q_rows, D, 1, k_columns.from_column(j), s, stride, false);
        products.run(rows, block.columns, D, dy_rows, D, 1, v_columns.from_column(j), dp, stride, false);
        softmax_backward(block, dp, h, lse_rows, delta, keep, ahead);
        products.run(block.columns, D, rows, s, 1, stride, {dy_rows, D}, dv_rows + j * D, D, true);
        products.run(block.columns, D, rows, dp, 1, stride, {q_rows, D}, dk_rows + j * D, D, true);
        products.run(rows, D, block.columns, dp, stride, 1, k_operand.from_row(j), dq_rows, D, j > 0);
      }
      store(dq_rows, dq, h, i, rows, scale);
    }
    store(dk_rows, dk, h, 0, n, ln_2);  // q_rows held log2_e times too much
    store(dv_rows, dv, h, 0, n);
  }
};

/// Calls f(head) for every head of every text, on all threads; a chunk is some 20 us of work, where there is as much.
template <class F>
void for_each_head(View<const std::int64_t, 1> offsets, std::int64_t width, std::int64_t heads, F&& f) {
  const std::int64_t count = (offsets.extent(0) - 1) * heads;
  double work = 0;
  for (std::int64_t b = 0; b + 1 < offsets.extent(0); ++b) {
    const double rows = double(offsets(b + 1) - offsets(b));
    work += rows * (rows + 8) * double((width + 8) * heads);
  }
  const double most = 5e5 * double(count) / std::max(work, 1.);
  parallel_for(count, std::int64_t(std::clamp(most, 1., 1e6)), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t u = begin; u < end; ++u) {
      const std::int64_t first = offsets(u / heads), rows = offsets(u / heads + 1) - first;
      if (rows > 0) f(AttentionHead{first, rows, u % heads, u % heads * width});
    }
  });
}

}  // namespace detail

/// q, k, v, y [N, H·D], lse [N, H]: ln Σ e^score of each row and head. Head h draws its mask as op number `op + h`.
template <class T>
void attention(View<const T, 2> q, View<const T, 2> k, View<const T, 2> v, View<const std::int64_t, 1> offsets,
               const AttentionOptions& options, const Random& random, std::uint32_t op, View<T, 2> y,
               View<accumulator_t<T>, 2> lse) {
  const detail::AttentionBody<T> body{q, k, v, options, random, op};
  detail::for_each_head(offsets, body.width, options.heads,
                        [&](const detail::AttentionHead& h) { body.forward(h, y, lse); });
}

template <class T>
void attention_backward(View<const T, 2> dy, View<const T, 2> q, View<const T, 2> k, View<const T, 2> v,
                        View<const T, 2> y, View<const accumulator_t<T>, 2> lse, View<const std::int64_t, 1> offsets,
                        const AttentionOptions& options, const Random& random, std::uint32_t op, View<T, 2> dq,
                        View<T, 2> dk, View<T, 2> dv) {
  const detail::AttentionBody<T> body{q, k, v, options, random, op};
  detail::for_each_head(offsets, body.width, options.heads,
                        [&](const detail::AttentionHead& h) { body.backward(h, dy, y, lse, dq, dk, dv); });
}

}  // namespace quern::inline QUERN_ABI::cpu
