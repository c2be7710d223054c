/// Products of matrices that lie in the nearest caches, by one thread: the kernels of gemm without its cutting and
/// packing of large operands.
///
///   const SmallProducts<float> products;
///   const auto turned = products.transposed(k, n, D, memory);          // k [n, D], dense
///   products.run(m, n, D, q, D, 1, turned, s, ld, false);              // s [m, n] = q [m, D] · kᵀ
///
/// Each element of a result is one chain of fma over the depth, in order. In double the products are plain loops:
/// gradcheck needs them, and nobody waits for it.
#pragma once
#include <quern/cpu/gemm.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// A right operand: element (k, j) is data[k * row + j]; or, where row is 0, panels as pack lays them out, `column`
/// floats for each column. Vectors are read beyond its last element: memory must go on for `slack` more.
template <class A>
struct RightOperand {
  const A* data;
  std::int64_t row, column = 1;

  RightOperand from_row(std::int64_t k) const { return {data + k * row, row, column}; }
  /// Of panels j must be a multiple of 32, and what is taken from there end at one, or with the last column.
  RightOperand from_column(std::int64_t j) const { return {data + j * column, row, column}; }
};

template <class A>
struct SmallProducts {
  static constexpr std::int64_t slack = 0;

  /// How much memory the transpose of [columns, depth] takes.
  static std::int64_t transposed_size(std::int64_t columns, std::int64_t depth) { return depth * columns; }
  RightOperand<A> transposed(const A* x, std::int64_t columns, std::int64_t depth, A* memory) const {
    for (std::int64_t k = 0; k < depth; ++k)
      for (std::int64_t j = 0; j < columns; ++j) memory[k * columns + j] = x[j * depth + k];
    return {memory, columns};
  }

  /// c [rows, columns] = a · b, or with `add` c + a · b. Element (i, k) of a is a[i * a_row + k * a_column].
  void run(std::int64_t rows, std::int64_t columns, std::int64_t depth, const A* a, std::int64_t a_row,
           std::int64_t a_column, RightOperand<A> b, A* c, std::int64_t ldc, bool add) const {
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < columns; ++j) {
        A sum = 0;
        for (std::int64_t k = 0; k < depth; ++k) sum += a[i * a_row + k * a_column] * b.data[k * b.row + j];
        c[i * ldc + j] = add ? c[i * ldc + j] + sum : sum;
      }
  }
};

template <>
struct SmallProducts<float> {
  static constexpr std::int64_t slack = 32;  // two vectors of the widest kind

  InstructionSet set = instruction_set();
  std::int64_t tile_rows = detail::tile_of(set).rows;

  static std::int64_t transposed_size(std::int64_t columns, std::int64_t depth) {
    return depth * detail::round_up(columns, 16);
  }
  RightOperand<float> transposed(const float* x, std::int64_t columns, std::int64_t depth, float* memory) const {
    detail::pack(set, false, columns, depth, x, 1, depth, memory);
    return {memory, 0, depth};
  }
  void run(std::int64_t rows, std::int64_t columns, std::int64_t depth, const float* a, std::int64_t a_row,
           std::int64_t a_column, RightOperand<float> b, float* c, std::int64_t ldc, bool add) const {
    detail::multiply_block(set, {rows, columns, depth, a, a_row, a_column, tile_rows * a_row, b.data, b.row, b.column,
                                 c, ldc, add, nullptr, Activation::none});
  }
};

}  // namespace quern::inline QUERN_ABI::cpu
