/// info_nce: of all keys of the batch, a query shall find its own; the others are its negatives.
///
///   S(i, j) = q_i · k_j / τ                       (cosine: of q_i/‖q_i‖ and k_j/‖k_j‖; a row of zeros stays zeros)
///   loss = -1/B Σ_i log softmax(S(i))(i)                                      (van den Oord, Li & Vinyals 2018, eq. 4)
///   dS(i, j) = dloss/B · (softmax(S(i))(j) - [i = j]),  dq = dS k / τ,  dk = dSᵀ q / τ
///   cosine, u = x/‖x‖:  dx = (du - u (u · du)) / ‖x‖
///
///   auto loss = info_nce(queries, keys, {.temperature = 0.05, .cosine = true});       // [B, E], [B, E] → []
///
/// The symmetric loss of CLIP is the mean of info_nce(q, k) and info_nce(k, q).
#pragma once
#include <limits>

#include <quern/cpu/info_nce.hpp>
#include <quern/cuda/info_nce.hpp>
#include <quern/loss/cross_entropy.hpp>
#include <quern/ops/matmul.hpp>

namespace quern::inline QUERN_ABI {

struct InfoNceOptions {
  double temperature = 1;  // τ, above 0
  bool cosine = false;     // compare directions, not lengths
};
/// One side: its vectors as they were compared (of bf16, in float), and what they were divided by.
template <class T>
struct InfoNceSide {
  Tensor<accumulator_t<T>, 2> vectors;  // [B, E]: queries divided by τ; both, with `cosine`, by their lengths
  Tensor<double, 1> norms;              // [B], or [0] without `cosine`
  double scale;                         // 1/τ, or 1
};
template <class T>
struct InfoNceSaved {
  InfoNceSide<T> queries, keys;
  CrossEntropySaved<accumulator_t<T>> scores;
};
template <class T>
struct InfoNceForward {
  Tensor<T, 0> loss;
  InfoNceSaved<T> saved;
};
template <class T>
struct InfoNceGradients {
  Tensor<T, 2> queries, keys;  // [B, E]
};

namespace detail {
template <class T>
InfoNceSide<T> info_nce_side(const Tensor<T, 2>& x, double scale, bool cosine) {
  const Device device = x.device();
  InfoNceSide<T> side{Tensor<accumulator_t<T>, 2>::empty(x.shape(), device),
                      Tensor<double, 1>::empty({cosine ? x.extent(0) : 0}, device), scale};
  if (cosine) {
    QUERN_RUN(T, device, unit_rows(x.view(), scale, side.vectors.view(), side.norms.view()));
  } else {
    QUERN_RUN(T, device, scale_rows(x.view(), scale, side.vectors.view()));
  }
  return side;
}

template <class T>
Tensor<T, 2> info_nce_side_backward(const Tensor<accumulator_t<T>, 2>& dvectors, const InfoNceSide<T>& side) {
  const Device device = dvectors.device();
  auto dx = Tensor<T, 2>::empty(dvectors.shape(), device);
  if (side.norms.size()) {
    QUERN_RUN(T, device,
              unit_rows_backward(dvectors.view(), side.vectors.view(), side.norms.view(), side.scale, dx.view()));
  } else {
    QUERN_RUN(T, device, scale_rows(dvectors.view(), side.scale, dx.view()));
  }
  return dx;
}

/// Every text is its own label.
template <class T>
Ids own_labels(const Tensor<T, 2>& scores) {
  auto own = Ids::empty({scores.extent(0)}, scores.device());
  if constexpr (has_kernels<T>) {
    if (own.device().is_cuda()) {
      cuda::count_up(own.view());
      return own;
    }
  }
  for (std::int64_t b = 0; b < own.size(); ++b) own(b) = std::int32_t(b);
  return own;
}

/// A loss or its gradient in another type.
template <class To, class From>
Tensor<To, 0> scalar_as(const Tensor<From, 0>& x) {
  if constexpr (std::is_same_v<To, From>) {
    return x.share();
  } else {
    auto y = Tensor<To, 0>::empty({}, x.device());
    QUERN_RUN(From, x.device(), scale_rows(x.rows(), 1.0, y.rows()));
    return y;
  }
}
}  // namespace detail

template <Number T>
InfoNceForward<T> info_nce_forward(const Tensor<T, 2>& queries, const Tensor<T, 2>& keys,
                                   const InfoNceOptions& options = {}, Caller at = Caller::here()) {
  require_same_shape("info_nce", described("queries", queries), described("keys", keys), at);
  require(queries.size() > 0, "info_nce: ", described("queries", queries), "; expected at least one pair (", at, ")");
  require(options.temperature > 0 && options.temperature <= std::numeric_limits<float>::max(),
          "info_nce: expected a temperature above 0, got ", options.temperature, " (", at, ")");
  common_device("info_nce", queries, keys);
  auto q = detail::info_nce_side(queries, 1 / options.temperature, options.cosine);
  auto k = detail::info_nce_side(keys, 1.0, options.cosine);
  const auto products = matmul(q.vectors, k.vectors, Transpose::no, Transpose::yes, at);
  auto [loss, scores] = cross_entropy_forward(products, detail::own_labels(products), {}, at);
  return {detail::scalar_as<T>(loss), {std::move(q), std::move(k), std::move(scores)}};
}

template <Number T>
Tensor<T, 0> info_nce(const Tensor<T, 2>& queries, const Tensor<T, 2>& keys, const InfoNceOptions& options = {},
                      Caller at = Caller::here()) {
  return info_nce_forward(queries, keys, options, at).loss;
}

/// dloss [] → dqueries, dkeys [B, E].
template <Number T>
InfoNceGradients<T> info_nce_backward(const Tensor<T, 0>& dloss, const InfoNceSaved<T>& saved) {
  using A = accumulator_t<T>;
  const auto dscores = cross_entropy_backward(detail::scalar_as<A>(dloss), saved.scores);  // [B, B]
  return {detail::info_nce_side_backward(matmul(dscores, saved.keys.vectors), saved.queries),
          detail::info_nce_side_backward(matmul(dscores, saved.queries.vectors, Transpose::yes), saved.keys)};
}

template <class Q, class K>
requires AnyRecorded<Q, K>
auto info_nce(const Q& queries, const K& keys, const InfoNceOptions& options = {}, Caller at = Caller::here()) {
  auto [loss, saved] = info_nce_forward(value(queries), value(keys), options, at);
  auto backward = [q = keep(queries), k = keep(keys), saved = std::move(saved)](Tape& tape, const auto& dloss) {
    auto d = info_nce_backward(dloss, saved);
    if constexpr (is_recorded<Q>) tape.add(q, std::move(d.queries));
    if constexpr (is_recorded<K>) tape.add(k, std::move(d.keys));
  };
  return Tape::record("info_nce", std::move(loss), std::move(backward), queries, keys);
}

}  // namespace quern::inline QUERN_ABI
