/// The one door to Eigen: matrices of either side seen from the other without copies, and the matrix product of double.
/// Include it by name where a program computes in double (gradcheck does) or hands its own Eigen matrices to Quern.
/// Eigen's own threads stay off.
///
///   auto x = borrow(features);                                   // row-major Eigen matrix [B, E] → Tensor<float, 2>
///   cpu::eigen_map(x).rowwise().normalize();                     // Tensor or View [rows, columns] → Eigen::Map
///   cpu::eigen_vector(bias).array() *= 2;                        // Tensor or View [n] → Eigen::Map
#pragma once
#ifndef EIGEN_DONT_PARALLELIZE
#define EIGEN_DONT_PARALLELIZE
#endif
#include <Eigen/Core>
#include <algorithm>
#include <cstdint>

#include <quern/cpu/gemm.hpp>
#include <quern/tensor/borrow.hpp>

namespace quern::inline QUERN_ABI::cpu {

template <class T>
using EigenMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using EigenVector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

/// [rows, columns], row-major.
template <class T>
Eigen::Map<EigenMatrix<T>> eigen_map(T* data, std::int64_t rows, std::int64_t columns) {
  return {data, rows, columns};
}
template <class T>
Eigen::Map<const EigenMatrix<T>> eigen_map(const T* data, std::int64_t rows, std::int64_t columns) {
  return {data, rows, columns};
}

/// [n]
template <class T>
Eigen::Map<EigenVector<T>> eigen_vector(T* data, std::int64_t n) {
  return {data, n};
}
template <class T>
Eigen::Map<const EigenVector<T>> eigen_vector(const T* data, std::int64_t n) {
  return {data, n};
}

/// A view or a tensor, read-only where that is. It must outlive the map, so none of a temporary.
template <class T>
auto eigen_map(View<T, 2> x) {
  return eigen_map(x.data, x.extent(0), x.extent(1));
}
template <class T>
auto eigen_vector(View<T, 1> x) {
  return eigen_vector(x.data, x.extent(0));
}
template <class T>
auto eigen_map(Tensor<T, 2>& x) {
  return eigen_map(x.view());
}
template <class T>
auto eigen_map(const Tensor<T, 2>& x) {
  return eigen_map(x.view());
}
template <class T>
auto eigen_vector(Tensor<T, 1>& x) {
  return eigen_vector(x.view());
}
template <class T>
auto eigen_vector(const Tensor<T, 1>& x) {
  return eigen_vector(x.view());
}
template <class T>
void eigen_map(const Tensor<T, 2>&& x) = delete;
template <class T>
void eigen_vector(const Tensor<T, 1>&& x) = delete;

namespace detail {

/// The product through Eigen. Eigen's choice of method must not depend on M, or a row's result would: it always gets a
/// multiple of 4 rows, at most 256 of K at a time, and nothing so small or narrow that it would leave its general path.
template <class T>
struct EigenProduct {
  using Strided = Eigen::Map<const EigenMatrix<T>, 0, Eigen::OuterStride<>>;
  static constexpr std::int64_t most_rows = 64;

  static void run(const Product<T>& product) {
    Product<T> p = product;
    const bool tiny = p.N == 1 || p.N + p.K < 16;
    if (p.B.col_stride != 1 && !tiny) {  // one layout: row-major
      T* copy = scratch<2>().get<T>(p.K * p.N);
      for (std::int64_t j = 0; j < p.N; ++j)
        for (std::int64_t k = 0; k < p.K; ++k) copy[k * p.N + j] = p.B.data[k * p.B.row_stride + j * p.B.col_stride];
      p.B = {copy, p.N, 1};
    }
    const std::int64_t grain = (1 << 16) / std::max<std::int64_t>(1, most_rows * p.N * p.K);
    parallel_for(ceil_div(p.M, most_rows), std::max<std::int64_t>(1, grain), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin * most_rows; i < std::min(p.M, end * most_rows); i += most_rows)
        run_rows(p, tiny, i, std::min(most_rows, p.M - i));
    });
  }

 private:
  /// Rows [first, first + rows) of C.
  static void run_rows(const Product<T>& p, bool tiny, std::int64_t first, std::int64_t rows) {
    const Parts depths(p.K, 256, 1);
    const std::int64_t padded = round_up(rows, 4);
    T* sum = scratch<3>().get<T>(padded * (p.N + depths.size));
    T* a = sum + padded * p.N;
    std::fill_n(sum, padded * p.N, T(0));
    for (std::int64_t d = 0; d < depths.count && p.K > 0; ++d) {
      const std::int64_t k0 = depths.begin(d), depth = depths.length(d);
      std::fill_n(a, padded * depth, T(0));
      for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t k = 0; k < depth; ++k)
          a[i * depth + k] = p.A.data[(first + i) * p.A.row_stride + (k0 + k) * p.A.col_stride];
      const T* b = p.B.data + k0 * p.B.row_stride;
      if (tiny) {
        multiply_tiny(p, rows, depth, a, b, sum);
      } else {
        eigen_map(sum, padded, p.N).noalias() += Strided(a, padded, depth, Eigen::OuterStride<>(depth)) *
                                                 Strided(b, depth, p.N, Eigen::OuterStride<>(p.B.row_stride));
      }
    }
    finish(p, first, rows, sum);
  }

  static void multiply_tiny(const Product<T>& p, std::int64_t rows, std::int64_t depth, const T* a, const T* b,
                            T* sum) {
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < p.N; ++j)
        for (std::int64_t k = 0; k < depth; ++k)
          sum[i * p.N + j] += a[i * depth + k] * b[k * p.B.row_stride + j * p.B.col_stride];
  }

  /// Bias, activation, and the step into C.
  static void finish(const Product<T>& p, std::int64_t first, std::int64_t rows, const T* sum) {
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < p.N; ++j) {
        T& c = p.C[(first + i) * p.ldc + j];
        T x = p.accumulate ? c + sum[i * p.N + j] : sum[i * p.N + j];
        if (p.bias) x += p.bias[j];
        c = p.activation == Activation::relu && x < T(0) ? T(0) : x;
      }
  }
};

}  // namespace detail

}  // namespace quern::inline QUERN_ABI::cpu

namespace quern::inline QUERN_ABI {

/// A tensor over an Eigen matrix, array or map with its elements row after row, without a copy: [rows, columns], of a
/// vector [n], constant if the matrix is. The lifetime is that of borrow() for pointers: the matrix must outlive it and
/// not be resized.
template <class M>
requires std::is_base_of_v<Eigen::DenseBase<std::remove_const_t<M>>, M>
decltype(auto) borrow(M& matrix, Caller at = Caller::here()) {
  static_assert(M::IsRowMajor || M::IsVectorAtCompileTime,
                "borrow: the Eigen matrix is column-major, Quern's tensors are row-major. Declare it "
                "Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, or copy it into one");
  require(matrix.innerStride() == 1 && (M::IsVectorAtCompileTime || matrix.outerStride() == matrix.cols()),
          "borrow: the Eigen matrix is a part of a larger one, its rows do not follow each other; copy it (", at, ")");
  if constexpr (M::IsVectorAtCompileTime) {
    return borrow(matrix.data(), Shape{matrix.size()}, {}, at);
  } else {
    return borrow(matrix.data(), Shape{matrix.rows(), matrix.cols()}, {}, at);
  }
}

}  // namespace quern::inline QUERN_ABI
