/// The one door to Eigen: raw pointers as Eigen matrices, without copies. Eigen's own threads stay off.
///
///   eigen_map(y, rows, columns).noalias() += eigen_map(a, rows, k) * eigen_map(b, k, columns);     // row-major
///   eigen_vector(x, n).array() *= 2;
#pragma once
#ifndef EIGEN_DONT_PARALLELIZE
#define EIGEN_DONT_PARALLELIZE
#endif
#include <Eigen/Core>
#include <cstdint>

#include <quern/base/config.hpp>

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

}  // namespace quern::inline QUERN_ABI::cpu
