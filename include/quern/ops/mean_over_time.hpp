/// mean_over_time: the mean of each column of each text.
///
///   y(b, c) = 1/n_b · Σ_t x(t, c) over the n_b rows t of text b
///   dx(t, c) = dy(b, c) / n_b
///
///   auto y = mean_over_time(h);         // h: rows [N, C] of B texts → [B, C]
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/mean_over_time.hpp>
#include <quern/cuda/mean_over_time.hpp>
#include <quern/ops/dispatch.hpp>
#include <quern/ops/max_over_time.hpp>  // check_no_empty_text

namespace quern::inline QUERN_ABI {

/// Where each text begins.
struct MeanOverTimeSaved {
  Offsets offsets;    // of x
  std::int64_t rows;  // of x
};
template <class T>
struct MeanOverTimeForward {
  Tensor<T, 2> y;
  MeanOverTimeSaved saved;
};

/// Throws InvalidArgument for a text without rows: the mean of nothing is not a number.
template <Number T>
MeanOverTimeForward<T> mean_over_time_forward(const Packed<T>& x, Caller at = Caller::here()) {
  check_offsets("mean_over_time", x.offsets, x.rows.extent(0), at);
  check_no_empty_text("mean_over_time", x.offsets, at);
  const Device device = common_device("mean_over_time", x.rows, x.offsets);
  auto y = Tensor<T, 2>::empty({x.texts(), x.rows.extent(1)}, device);
  QUERN_RUN(T, device, mean_over_time(x.rows.view(), x.offsets.view(), y.view()));
  return {std::move(y), {x.offsets.share(), x.rows.extent(0)}};
}

template <Number T>
Tensor<T, 2> mean_over_time(const Packed<T>& x, Caller at = Caller::here()) {
  return mean_over_time_forward(x, at).y;
}

/// dy [B, C] → dx [N, C].
template <Number T>
Tensor<T, 2> mean_over_time_backward(const Tensor<T, 2>& dy, const MeanOverTimeSaved& saved) {
  require(dy.extent(0) == saved.offsets.size() - 1, "mean_over_time_backward: ", described("dy", dy), " for ",
          saved.offsets.size() - 1, " texts");
  auto dx = Tensor<T, 2>::empty({saved.rows, dy.extent(1)}, dy.device());
  QUERN_RUN(T, dy.device(), mean_over_time_backward(dy.view(), saved.offsets.view(), dx.view()));
  return dx;
}

template <class T>
Tensor<Recorded<T>, 2> mean_over_time(const Packed<Recorded<T>>& x, Caller at = Caller::here()) {
  auto [y, saved] = mean_over_time_forward(Packed{x.rows.value().share(), x.offsets}, at);
  auto backward = [rows = keep(x.rows), saved = std::move(saved)](Tape& tape, const Tensor<T, 2>& dy) {
    tape.add(rows, mean_over_time_backward(dy, saved));
  };
  return Tape::record("mean_over_time", std::move(y), std::move(backward), x.rows);
}

}  // namespace quern::inline QUERN_ABI
