/// Sums into gradients, and what a gradient knows of its rows.
///
///   accumulate(dweight, g);          // dweight += g, every row may now be non-zero
///   touch_row(dweight, 7);           // row 7 is about to be written
///   zero(dweight);                   // visits only the rows that were touched
#pragma once
#include <cstring>

#include <quern/base/parallel_for.hpp>
#include <quern/tensor/tensor.hpp>

namespace quern::inline QUERN_ABI {

/// y[i] += x[i]. Vectors of 16 bytes, which every target has: the compilers of plain -O2 make none of their own.
inline void add_to(bf16* y, const bf16* x, std::int64_t n) {  // in float, rounded once
  for (std::int64_t i = 0; i < n; ++i) y[i] += x[i];
}
template <class T>
void add_to(T* y, const T* x, std::int64_t n) {
  typedef T Vector __attribute__((vector_size(16), aligned(alignof(T)), may_alias));
  constexpr std::int64_t lanes = 16 / sizeof(T);
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) *reinterpret_cast<Vector*>(y + i) += *reinterpret_cast<const Vector*>(x + i);
  for (; i < n; ++i) y[i] += x[i];
}

/// True when the rows of `gradient` are known to be zero but for those it lists.
template <class T, int Rank>
bool is_row_sparse(const Tensor<T, Rank>& gradient) {
  return gradient.storage() && gradient.storage()->touched && !gradient.storage()->touched->all;
}

namespace detail {
/// The marks of a row-sparse gradient on a GPU, made at their first use.
[[gnu::noinline]] inline char* device_marks(Block& block, std::int64_t rows) {
  auto& touched = *block.touched;
  if (!touched.marks) {
    touched.device = block.device.index;
    touched.marks = static_cast<char*>(cuda::allocate(std::size_t(rows), touched.device));
    check(touched.marks != nullptr, "tensor: no memory for ", rows, " bytes on ", block.device);
    set_bytes(touched.marks, block.device, 0, std::size_t(rows));
  }
  return touched.marks;
}

[[gnu::noinline]] inline const char* touched_rows(Block& block, std::int64_t rows) {
  if (!block.touched || block.touched->all) return nullptr;
  if constexpr (has_cuda) {
    if (block.device.is_cuda()) return device_marks(block, rows);
  }
  if (block.touched->seen.empty()) block.touched->seen.resize(std::size_t(rows));
  return block.touched->seen.data();
}

/// Clears `rows` rows of `row_bytes` each, or those of them that were touched.
[[gnu::noinline]] inline void zero_rows(Block& block, std::int64_t rows, std::size_t row_bytes) {
  auto* touched = block.touched;
  char* data = static_cast<char*>(block.data());
  if constexpr (has_cuda) {
    if (block.device.is_cuda()) {
      if (touched && !touched->all) return cuda::zero_rows(data, rows, row_bytes, device_marks(block, rows));
      if (touched) touched->all = false;  // and begins with no marks, as all of them are clear
      if (touched && touched->marks) set_bytes(touched->marks, block.device, 0, std::size_t(rows));
      return set_bytes(data, block.device, 0, std::size_t(rows) * row_bytes);
    }
  }
  if (!touched || touched->all) {
    std::memset(data, 0, std::size_t(rows) * row_bytes);
    if (touched) block.begin_rows();
    return;
  }
  for (auto r : touched->rows) {
    std::memset(data + std::size_t(r) * row_bytes, 0, row_bytes);
    touched->seen[std::size_t(r)] = 0;
  }
  touched->rows.clear();
}

template <class T>
[[gnu::noinline]] bool any_but_zero(const T* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i)
    if (x[i] != T(0)) return true;
  return false;
}
}  // namespace detail

/// For optimizers, before they trust the list of rows: a gradient whose list is empty but that holds something other
/// than zero was written by hand, and all of it counts. (Not looked for on a GPU, where it would cost a pass and a
/// wait: there call `tape.add` or `accumulate`.)
template <class T, int Rank>
void notice_hand_written(Tensor<T, Rank>& gradient) {
  if (!is_row_sparse(gradient) || gradient.device().is_cuda() || !gradient.storage()->touched->rows.empty()) return;
  if (detail::any_but_zero(std::as_const(gradient).data(), gradient.size())) gradient.storage()->touched->all = true;
}

/// A mark for every row of a row-sparse gradient that was touched; null for any other gradient.
template <class T, int Rank>
const char* touched_rows(Tensor<T, Rank>& gradient) {
  return gradient.storage() ? detail::touched_rows(*gradient.storage().block(), gradient.rows().extent(0)) : nullptr;
}

/// Where an op's kernel marks the rows it writes to; null for a gradient that keeps no marks. On a GPU alone.
template <class T, int Rank>
char* row_marks(Tensor<T, Rank>& gradient) {
  return const_cast<char*>(touched_rows(gradient));
}

/// y += x. A gradient that is all zero takes the values instead of adding them.
template <class T, int Rank>
void accumulate(Tensor<T, Rank>& y, const Tensor<T, Rank>& x) {
  require(y.shape() == x.shape(), "accumulate: shapes ", y.shape(), " and ", x.shape(), " differ");
  if (!y.storage()) return;
  require(x.size() == 0 || y.device() == x.device(), "accumulate: one is on ", y.device(), ", the other on ",
          x.device());
  if constexpr (has_kernels<T>) {
    if (y.device().is_cuda()) {
      if (y.storage()->touched) y.storage()->touched->all = true;
      return cuda::accumulate(y.data(), x.data(), y.size());
    }
  }
  require(y.device().is_cpu(), "accumulate: there are no kernels for ", dtype_name<T>);
  const bool all_zero = is_row_sparse(y) && y.storage()->touched->rows.empty();
  constexpr std::int64_t grain = 1 << 16;
  parallel_for(y.size(), grain, [&](std::int64_t begin, std::int64_t end) {
    if (all_zero) {
      std::memcpy(y.data() + begin, x.data() + begin, std::size_t(end - begin) * sizeof(T));
    } else {
      add_to(y.data() + begin, x.data() + begin, end - begin);
    }
  });
  if (y.storage()->touched) y.storage()->touched->all = true;
}

/// One number on a device.
template <class T>
Tensor<T, 0> scalar_on(Device device, T value) {
  if constexpr (has_kernels<T>) {
    if (device.is_cuda()) {
      auto x = Tensor<T, 0>::empty(Shape<0>{}, device);
      cuda::fill(x.data(), value, 1);
      return x;
    }
  }
  return Tensor<T, 0>::of(Shape<0>{}, {value}, device);
}

/// Lists row `row` of a gradient [rows, C] as about to be written.
template <class T>
void touch_row(Tensor<T, 2>& gradient, std::int32_t row) {
  auto* touched = gradient.storage() ? gradient.storage()->touched : nullptr;
  if (!touched || touched->all) return;
  if (touched->seen.empty()) touched->seen.resize(std::size_t(gradient.extent(0)));
  auto& seen = touched->seen[std::size_t(row)];
  if (!seen) touched->rows.push_back(row);
  seen = 1;
}

/// For the kernel of an optimizer, which reads a gradient on a GPU and clears it, marks included: gives the marks, null
/// where all rows count. From here on the gradient counts as zero.
template <class T, int Rank>
char* hand_over_marks(Tensor<T, Rank>& gradient) {
  auto* touched = gradient.storage()->touched;
  if (!touched) return nullptr;
  if (!touched->all) return row_marks(gradient);
  touched->all = false;
  if (touched->marks) set_bytes(touched->marks, gradient.device(), 0, std::size_t(gradient.rows().extent(0)));
  return nullptr;
}

/// Sets a gradient to zero. One that keeps a list of its rows clears only those, and begins a new list.
template <class T, int Rank>
void zero(Tensor<T, Rank>& gradient) {
  if (!gradient.storage()) return;
  const auto rows = gradient.rows();
  detail::zero_rows(*gradient.storage().block(), rows.extent(0), std::size_t(rows.extent(1)) * sizeof(T));
}

}  // namespace quern::inline QUERN_ABI
