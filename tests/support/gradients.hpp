/// Gradients made on the host, put where the device under test has its own.
///
///   put_gradients(grads, made);        // values, and which rows were touched: as if ops had written them
#pragma once
#include <vector>

#include <quern/tensor/accumulate.hpp>
#include <quern/tensor/walk.hpp>

#include "support/on_device.hpp"

namespace test {

template <class T, int Rank>
void put_gradient(Tensor<T, Rank>& g, const Tensor<T, Rank>& made) {
  if (g.size() == 0) return;
  copy_bytes(g.data(), g.device(), made.data(), made.device(), g.bytes());
  const auto& from = *made.storage()->touched;
  if (from.all || g.device().is_cpu()) {
    g.storage()->touched->all = from.all;
    for (auto row : from.rows)
      if constexpr (Rank == 2) touch_row(g, row);
    return;
  }
  if (!is_row_sparse(g)) detail::begin_gradient(Path{}, g.storage());
  std::vector<char> marks(std::size_t(g.rows().extent(0)), 0);
  for (auto row : from.rows) marks[std::size_t(row)] = 1;
  copy_bytes(row_marks(g), g.device(), marks.data(), Device::cpu(), marks.size());
}
template <class M>
void put_gradients(M& grads, const M& made) {
  walk_tensors([](const Path&, auto& g, const auto& from) { put_gradient(g, from); }, grads, made);
}

/// The rows that a row-sparse gradient lists, in rising order.
template <class T, int Rank>
std::vector<std::int32_t> listed_rows(Tensor<T, Rank>& g) {
  std::vector<std::int32_t> rows;
  std::vector<char> marks(std::size_t(g.rows().extent(0)));
  copy_bytes(marks.data(), Device::cpu(), touched_rows(g), g.device(), marks.size());
  for (std::size_t r = 0; r < marks.size(); ++r)
    if (marks[r]) rows.push_back(std::int32_t(r));
  return rows;
}

}  // namespace test
