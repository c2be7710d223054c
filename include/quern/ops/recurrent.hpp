/// What lstm and gru share: what they refuse, and the row that was walked before a row.
///
///   detail::check_recurrent("lstm", 4, x.rows, x.offsets, weight_ih, weight_hh, bias_ih, bias_hh, at);
///   const auto before = detail::rows_before(y, offsets, reverse);      // [N, H], 0 where a text begins
#pragma once
#include <quern/cpu/recurrent.hpp>
#include <quern/cuda/recurrent.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI::detail {

/// weight_ih [gates · H, E], weight_hh [gates · H, H], both biases [gates · H]; x has E columns.
template <class T>
void check_recurrent(const char* op, std::int64_t gates, const Tensor<T, 2>& x, const Offsets& offsets,
                     const Tensor<T, 2>& weight_ih, const Tensor<T, 2>& weight_hh, const Tensor<T, 1>& bias_ih,
                     const Tensor<T, 1>& bias_hh, Caller at) {
  const std::int64_t rows = gates * weight_hh.extent(1);
  require(weight_hh.extent(0) == rows, op, ": ", described("weight_hh", weight_hh), "; expected [", gates, " H, H] (",
          at, ")");
  require(weight_ih.extent(0) == rows, op, ": ", described("weight_ih", weight_ih), ", ",
          described("weight_hh", weight_hh), "; they must have equally many rows (", at, ")");
  require(weight_ih.extent(1) == x.extent(1), op, ": ", described("weight_ih", weight_ih), ", ", described("x", x),
          "; x must have ", weight_ih.extent(1), " columns (", at, ")");
  for (const auto& b : {described("bias_ih", bias_ih), described("bias_hh", bias_hh)})
    require(b.tensor.size() == rows, op, ": ", b, ", ", described("weight_hh", weight_hh), "; the bias must have ",
            rows, " elements (", at, ")");
  check_offsets(op, offsets, x.extent(0), at);
  common_device(op, x, offsets, weight_ih, weight_hh, bias_ih, bias_hh);
}

template <class T>
Tensor<T, 2> rows_before(const Tensor<T, 2>& y, const Offsets& offsets, bool reverse) {
  auto before = empty_like(y);
  QUERN_RUN(T, y.device(), rows_before(y.view(), offsets.view(), reverse, before.view()));
  return before;
}

}  // namespace quern::inline QUERN_ABI::detail
