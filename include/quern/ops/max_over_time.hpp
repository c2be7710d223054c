/// max_over_time: the largest value of each column of each text (Collobert et al. 2011).
///
///   y(b, c) = max_t x(t, c) over the rows t of text b
///   dx(t, c) = dy(b, c) at the first t that has the maximum, else 0
///
///   auto y = max_over_time(h);          // h: rows [N, C] of B texts → [B, C]
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/max_over_time.hpp>
#include <quern/cuda/max_over_time.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// Where each maximum stood, counted from the beginning of its text.
struct MaxOverTimeSaved {
  Tensor<std::int32_t, 2> where;  // [B, C]
  Offsets offsets;                // of x
  std::int64_t rows;              // of x
};
template <class T>
struct MaxOverTimeForward {
  Tensor<T, 2> y;
  MaxOverTimeSaved saved;
};

/// Every text must have a row: the maximum of nothing is not a number. On a GPU the kernel looks.
[[gnu::noinline]] inline void check_no_empty_text(const char* op, const Offsets& offsets, Caller at) {
  if (offsets.device().is_cuda()) return;
  for (std::int64_t b = 0; b + 1 < offsets.size(); ++b)
    require(offsets(b + 1) > offsets(b), op, ": text ", b, " of ", offsets.size() - 1, " has no rows (", at, ")");
}

template <Number T>
MaxOverTimeForward<T> max_over_time_forward(const Packed<T>& x, Caller at = Caller::here()) {
  check_offsets("max_over_time", x.offsets, x.rows.extent(0), at);
  check_no_empty_text("max_over_time", x.offsets, at);
  const Device device = common_device("max_over_time", x.rows, x.offsets);
  for (std::int64_t b = 0; device.is_cpu() && b < x.texts(); ++b)  // positions travel in float lanes
    require(x.offsets(b + 1) - x.offsets(b) <= 1 << 24, "max_over_time: text ", b, " has ",
            x.offsets(b + 1) - x.offsets(b), " rows; at most 2^24 are supported (", at, ")");
  const Shape<2> shape{x.texts(), x.rows.extent(1)};
  auto y = Tensor<T, 2>::empty(shape, device);
  auto where = Tensor<std::int32_t, 2>::empty(shape, device);
  QUERN_RUN(T, device, max_over_time(x.rows.view(), x.offsets.view(), y.view(), where.view()));
  return {std::move(y), {std::move(where), x.offsets.share(), x.rows.extent(0)}};
}

template <Number T>
Tensor<T, 2> max_over_time(const Packed<T>& x, Caller at = Caller::here()) {
  return max_over_time_forward(x, at).y;
}

/// dy [B, C] → dx [N, C].
template <Number T>
Tensor<T, 2> max_over_time_backward(const Tensor<T, 2>& dy, const MaxOverTimeSaved& saved) {
  const Shape<2> shape{saved.rows, dy.extent(1)};
  auto dx = dy.device().is_cpu() ? Tensor<T, 2>(shape) : Tensor<T, 2>::empty(shape, dy.device());  // kernels write all
  QUERN_RUN(T, dy.device(), max_over_time_backward(dy.view(), saved.offsets.view(), saved.where.view(), dx.view()));
  return dx;
}

template <class T>
Tensor<Recorded<T>, 2> max_over_time(const Packed<Recorded<T>>& x, Caller at = Caller::here()) {
  auto [y, saved] = max_over_time_forward(Packed{x.rows.value().share(), x.offsets}, at);
  auto backward = [rows = keep(x.rows), saved = std::move(saved)](Tape& tape, const Tensor<T, 2>& dy) {
    tape.add(rows, max_over_time_backward(dy, saved));
  };
  return Tape::record("max_over_time", std::move(y), std::move(backward), x.rows);
}

}  // namespace quern::inline QUERN_ABI
